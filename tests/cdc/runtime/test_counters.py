"""Counters: the totals in the database, and the counts of one process."""

import pytest
from django.db import connection

from cdc.runtime.counters import Counters, totals
from cdc.runtime.telemetry import COUNTERS, DUPLICATE, STALE
from cdc.testing.twins import FakeClock

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_totals_add_up_over_processes() -> None:
    for _ in range(2):
        counters = Counters("default", FakeClock())
        counters.add(STALE, 3)
        counters.add(DUPLICATE, 0)
        counters.flush()

    assert totals("default") == {**dict.fromkeys(COUNTERS, 0), STALE: 6}


def test_a_process_knows_its_own_counts_before_and_after_a_flush() -> None:
    others = Counters("default", FakeClock())
    others.add(STALE, 3)
    others.flush()
    counters = Counters("default", FakeClock())
    counters.add(STALE, 2)
    assert counters.since_start() == {**dict.fromkeys(COUNTERS, 0), STALE: 2}

    counters.flush()

    assert counters.since_start()[STALE] == 2
    assert totals("default")[STALE] == 5


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


def test_counts_are_kept_while_the_database_is_down() -> None:
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
