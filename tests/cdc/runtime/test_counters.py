"""Counters: added up in the database, never in the way."""

import pytest
from django.db import connection

from cdc.runtime.counters import Counters, totals
from cdc.runtime.telemetry import COUNTERS, DUPLICATE, STALE
from cdc.testing.twins import FakeClock

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_processes_add_up() -> None:
    for _ in range(2):
        counters = Counters("default", FakeClock())
        counters.add(STALE, 3)
        counters.add(DUPLICATE, 0)
        counters.flush()

    assert totals("default") == {**dict.fromkeys(COUNTERS, 0), STALE: 6}


def test_the_database_is_written_at_most_once_a_second() -> None:
    clock = FakeClock()
    counters = Counters("default", clock)
    counters.add(STALE)
    counters.flush()
    counters.add(STALE)
    counters.flush()
    assert totals("default")[STALE] == 1

    clock.sleep(1)
    counters.flush()
    assert totals("default")[STALE] == 2


def test_what_is_counted_while_the_database_is_away_is_kept() -> None:
    clock = FakeClock()
    counters = Counters("default", clock)
    counters.add(STALE)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cdc_counter RENAME TO cdc_counter_away")
    try:
        counters.flush()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE cdc_counter_away RENAME TO cdc_counter")
    clock.sleep(1)
    counters.flush()

    assert totals("default")[STALE] == 1
