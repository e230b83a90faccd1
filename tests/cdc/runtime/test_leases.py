"""Leases use the database's clock correctly in any time zone of its sessions."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection

from cdc.jobs.kinds import REPAIR
from cdc.jobs.table import Jobs
from cdc.models import RelayLease
from cdc.outbox.queue import OutboxQueue

pytestmark = [
    pytest.mark.database,
    pytest.mark.row_locks,
    pytest.mark.django_db(transaction=True),
]


def be_in(zone: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET time_zone = '{zone}'")


def be_at(ahead: int) -> None:
    """Set the clock of this session `ahead` seconds ahead of the server's."""
    with connection.cursor() as cursor:
        cursor.execute("SET TIMESTAMP = DEFAULT")
        if ahead:
            cursor.execute(f"SET TIMESTAMP = UNIX_TIMESTAMP() + {ahead}")


@pytest.fixture(autouse=True)
def zone_of_this_test() -> Iterator[None]:
    yield
    connection.close()


@pytest.mark.parametrize("zone", ["-05:00", "+00:00", "+05:30"])
def test_a_lease_ends_when_django_reads_that_it_does(zone: str) -> None:
    be_in(zone)

    assert OutboxQueue("default").take_lease("a", 30)

    left = RelayLease.objects.get().expires_at - datetime.now(UTC)
    # Database and test run on the same machine, with the same clock.
    assert -60 < left.total_seconds() < 60
    assert OutboxQueue("default").publisher() == "a"


@pytest.mark.parametrize(("before", "after"), [("+01:00", "+00:00"), ("+00:00", "-05:00")])
def test_a_dead_leaders_lease_ends_when_the_hour_steps_back(before: str, after: str) -> None:
    be_in(before)
    assert OutboxQueue("default").take_lease("dead", -1)

    be_in(after)

    assert OutboxQueue("default").take_lease("standby", 30)


@pytest.mark.parametrize(("before", "after"), [("+00:00", "+01:00"), ("-05:00", "+00:00")])
def test_a_lease_lasts_when_the_hour_steps_forward(before: str, after: str) -> None:
    be_in(before)
    assert OutboxQueue("default").take_lease("leader", 60)

    be_in(after)

    assert OutboxQueue("default").take_lease("standby", 30) is None


@pytest.mark.parametrize("zone", ["-05:00", "+13:00"])
@pytest.mark.parametrize("back", [90, 3600, 86_400])
def test_a_dead_leaders_lease_ends_when_the_servers_clock_is_set_back(zone: str, back: int) -> None:
    be_in(zone)
    queue = OutboxQueue("default")
    be_at(back)
    assert queue.take_lease("dead", 20)

    be_at(0)

    taken = queue.take_lease("standby", 20)
    assert taken
    assert queue.publisher() == "standby"
    assert queue.take_lease("another", 20) is None


def test_a_small_correction_of_the_servers_clock_costs_no_lease() -> None:
    queue = OutboxQueue("default")
    be_at(20)
    assert queue.take_lease("leader", 60)

    be_at(0)

    assert queue.take_lease("standby", 60) is None


def test_a_dead_runners_job_is_available_when_the_servers_clock_is_set_back() -> None:
    jobs = Jobs("default")
    be_at(3600)
    asked = jobs.ask(REPAIR, {}, "", "")
    assert jobs.claim("dead")

    be_at(0)

    found = jobs.claim("standby")
    assert found is not None
    assert (found.pk, found.crashes) == (asked.pk, 1)
