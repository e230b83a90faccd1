"""The last error of a process is stored in the database while the process fails."""

import time
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.utils import OperationalError
from django.utils import timezone

from cdc.errors import Fatal, Retryable
from cdc.models import DaemonError
from cdc.resync.barrier import PATIENCE_SECONDS
from cdc.runtime import telemetry
from cdc.runtime.database import DatabaseNow
from cdc.runtime.error_report import ErrorReport
from cdc.status.troubles import troubles
from cdc.testing.twins import FakeClock

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def report(clock: FakeClock, process: str = "relay a") -> ErrorReport:
    return ErrorReport(process, telemetry.RELAY_RETRY, "default", clock)


def fail(errors: ErrorReport, text: str = "Kafka is away.") -> None:
    errors.on_retry(Retryable(text), 0.1)


def succeed(errors: ErrorReport) -> None:
    assert errors.watched(lambda: True)()
    assert not errors.watched(lambda: False)()


def test_the_first_error_is_stored_at_once_and_later_ones_once_a_second(clock: FakeClock) -> None:
    errors = report(clock)
    fail(errors, "first")
    since = DaemonError.objects.get().since
    for _ in range(7):
        clock.sleep(0.125)
        fail(errors, "second")
    (found,) = troubles()
    assert (found.process, found.error, found.attempts) == ("relay a", "first", 1)

    clock.sleep(0.125)
    fail(errors, "third")

    (found,) = troubles()
    assert (found.error, found.attempts, found.since) == ("third", 9, since)


def test_a_process_recovers_after_five_seconds_without_an_error(clock: FakeClock) -> None:
    """Attempts may fail and succeed alternately: one record is refused, others are applied."""
    errors = report(clock)
    for _ in range(4):
        fail(errors)
        clock.sleep(4.9)
        succeed(errors)
        assert [each.attempts for each in troubles()]
    clock.sleep(0.1)
    succeed(errors)
    assert troubles() == ()

    fail(errors)
    assert [each.attempts for each in troubles()] == [1]


def test_a_clean_stop_leaves_no_error_and_a_failed_one_its_last(clock: FakeClock) -> None:
    with report(clock) as errors:
        fail(errors)
    assert troubles() == ()

    with pytest.raises(Fatal), report(clock):
        raise Fatal("Too many dead letters.")
    assert [each.error for each in troubles()] == ["Too many dead letters."]


def test_an_unexpected_error_remains_and_an_interruption_does_not(clock: FakeClock) -> None:
    with pytest.raises(ZeroDivisionError), report(clock):
        raise ZeroDivisionError
    assert [each.error for each in troubles()] == ["ZeroDivisionError"]

    with pytest.raises(KeyboardInterrupt), report(clock):
        raise KeyboardInterrupt
    assert troubles() == ()


def test_the_error_of_a_killed_process_ends_when_its_successor_works(clock: FakeClock) -> None:
    """A consumer has the same name after a restart."""
    fail(report(clock, "consumer one"))
    assert len(troubles()) == 1

    succeed(report(clock, "consumer one"))

    assert troubles() == ()


def test_a_new_process_begins_its_own_errors(clock: FakeClock) -> None:
    fail(report(clock, "consumer one"))
    old = DatabaseNow() - timedelta(hours=9)
    DaemonError.objects.update(since=old, last_at=old)

    fail(report(clock, "consumer one"))

    (found,) = troubles()
    assert found.attempts == 1
    assert timezone.now() - found.since < timedelta(hours=1)


def test_a_process_waits_rarely_for_an_unresponsive_database(clock: FakeClock) -> None:
    asked: list[float] = []

    def hang(*_: object) -> None:
        asked.append(clock.monotonic())
        clock.sleep(8)
        raise OperationalError("timed out")

    errors = report(clock)
    began = clock.monotonic()
    with connection.execute_wrapper(hang):
        while clock.monotonic() - began < 88 + 8 + 5:
            fail(errors)
            clock.sleep(1)
        assert asked == [began, began + 88]
        clock.sleep(5)
        while clock.monotonic() - began < 88 * 3:
            succeed(errors)
            clock.sleep(1)
    assert len(asked) == 3


def test_the_error_of_a_killed_process_is_ignored_and_later_deleted(clock: FakeClock) -> None:
    fail(report(clock, "relay killed"))
    rows = DaemonError.objects.filter(process="relay killed")
    seconds = 1.0
    while seconds > 0.5:  # Otherwise, the error may have become too old in the meantime.
        began = time.monotonic()
        rows.update(last_at=DatabaseNow() - timedelta(seconds=89))
        found = troubles()
        seconds = time.monotonic() - began
    assert len(found) == 1
    rows.update(last_at=DatabaseNow() - timedelta(seconds=91))
    assert troubles() == ()
    rows.update(last_at=DatabaseNow() - timedelta(days=1, seconds=1))

    fail(report(clock, "relay b"))

    assert [each.process for each in DaemonError.objects.all()] == ["relay b"]


def test_an_error_is_shown_while_the_next_attempt_waits_at_the_barrier(clock: FakeClock) -> None:
    """Otherwise, it would disappear from the status in each attempt, and reset the alerts."""
    fail(report(clock, "jobs a"))
    longest = timedelta(seconds=2 * PATIENCE_SECONDS + 15)
    DaemonError.objects.update(last_at=DatabaseNow() - longest)

    assert [each.process for each in troubles()] == ["jobs a"]


def test_each_process_has_its_own_error_and_the_longest_is_first(clock: FakeClock) -> None:
    for name in ("relay a", "consumer one", "x" * 300):
        fail(report(clock, name), name * 1000)
    DaemonError.objects.filter(process="consumer one").update(
        since=DatabaseNow() - timedelta(seconds=9)
    )

    found = troubles()

    assert [each.process for each in found] == ["consumer one", "relay a", "x" * 255]
    assert all(len(each.error) < 330 for each in found)


def test_a_database_that_cannot_store_the_error_stops_no_process(clock: FakeClock) -> None:
    def away(*_: object) -> None:
        raise OperationalError("gone away")

    errors = report(clock)
    with connection.execute_wrapper(away):
        fail(errors)
    connections["default"].close()
    clock.sleep(1)
    fail(errors)

    assert [each.attempts for each in troubles()] == [2]
    with connection.execute_wrapper(away):
        clock.sleep(5)
        succeed(errors)
    clock.sleep(1)
    succeed(errors)
    assert troubles() == ()
