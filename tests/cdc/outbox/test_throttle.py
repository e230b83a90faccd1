"""The limits on bulk writers."""

from dataclasses import dataclass, field

import pytest
from pytest_django import DjangoAssertNumQueries

from cdc.models import OutboxRecord
from cdc.outbox.throttle import OutboxLimit, RateLimit
from cdc.testing.twins import FakeClock
from stories.models import Story


@dataclass
class SlowRelay(FakeClock):
    """A clock. From the time `asleep_until`, each sleep deletes a row, as a relay would."""

    asleep_until: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.sleeps.append(seconds)
        if self.now >= self.asleep_until:
            row = OutboxRecord.objects.order_by("id").first()
            assert row is not None
            row.delete()


def fill(rows: int) -> None:
    for number in range(rows):
        Story.objects.create(title=f"story {number}", href="http://example.org/")


@pytest.mark.django_db
def test_a_chunk_waits_until_it_fits() -> None:
    fill(6)
    messages: list[str] = []

    OutboxLimit("default", SlowRelay(), messages.append, most=6).wait(2, lambda: False)

    assert OutboxRecord.objects.count() == 4
    assert messages == []


@pytest.mark.django_db
def test_the_rows_are_counted_again_only_when_the_limit_could_be_exceeded(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fill(2)
    clock = FakeClock()
    limit = OutboxLimit("default", clock, print, most=6)

    with django_assert_num_queries(1):
        limit.wait(1, lambda: False)
        limit.wait(1, lambda: False)
    clock.sleep(1.1)  # others may have added rows
    with django_assert_num_queries(1):
        limit.wait(1, lambda: False)
        limit.wait(3, lambda: False)
    with django_assert_num_queries(1):
        limit.wait(1, lambda: False)


@pytest.mark.django_db
def test_an_outbox_that_is_not_draining_is_reported() -> None:
    fill(3)
    messages: list[str] = []
    clock = SlowRelay()
    clock.asleep_until = clock.now + 12

    OutboxLimit("default", clock, messages.append, most=3).wait(1, lambda: False)

    assert messages == [
        (
            "The outbox has 3 rows and is not draining. "
            "Check that `manage.py relay_outbox` is running and that Kafka is up."
        )
    ]


@pytest.mark.django_db
def test_an_empty_outbox_admits_a_chunk_over_the_limit() -> None:
    OutboxLimit("default", FakeClock(), print, most=3).wait(10, lambda: False)


@pytest.mark.django_db
def test_a_stop_ends_the_wait() -> None:
    fill(3)

    OutboxLimit("default", FakeClock(), print, most=3).wait(1, lambda: True)

    assert OutboxRecord.objects.count() == 3


def test_the_rate_is_kept_on_average() -> None:
    clock = FakeClock()
    limit, began = RateLimit(100, clock), clock.now

    for _ in range(5):
        limit.wait(50, lambda: False)

    assert clock.now - began == pytest.approx(2.0)


def test_a_rate_of_0_is_no_limit() -> None:
    clock = FakeClock()
    limit, began = RateLimit(0, clock), clock.now

    limit.wait(1000, lambda: False)
    limit.wait(1000, lambda: False)

    assert clock.now == began


@pytest.mark.django_db
@pytest.mark.parametrize(("held", "rows", "waits"), [(2, 1, 0), (3, 1, 1), (3, 2, 2), (3, 9, 3)])
def test_a_chunk_waits_until_the_limit_is_kept_or_the_outbox_is_empty(
    held: int, rows: int, waits: int
) -> None:
    fill(held)
    clock = SlowRelay()

    OutboxLimit("default", clock, print, most=3).wait(rows, lambda: False)

    assert len(clock.sleeps) == waits
    assert OutboxRecord.objects.count() == held - waits


class StopAndGo(FakeClock):
    """Removes a row each minute, like a relay that Kafka keeps waiting."""

    def sleep(self, seconds: float) -> None:
        before = self.now
        super().sleep(seconds)
        if self.now // 60 > before // 60:
            OutboxRecord.objects.order_by("id")[:1].get().delete()


@pytest.mark.django_db
def test_each_standstill_is_reported_once() -> None:
    fill(5)
    messages: list[str] = []

    OutboxLimit("default", StopAndGo(), messages.append, most=3).wait(1, lambda: False)

    assert [text.partition(" and ")[0] for text in messages] == [
        f"The outbox has {rows} rows" for rows in (5, 4, 3)
    ]


@pytest.mark.django_db(databases=["default", "other"])
def test_the_limit_counts_the_rows_of_its_database() -> None:
    fill(3)
    clock = SlowRelay()

    OutboxLimit("other", clock, print, most=1).wait(1, lambda: False)

    assert clock.sleeps == []


def test_a_stop_ends_the_wait_for_the_rate_within_half_a_second() -> None:
    clock, stops = FakeClock(), iter([False, False, True])
    limit, began = RateLimit(1, clock), clock.now
    limit.wait(1_000, lambda: False)

    limit.wait(1, lambda: next(stops))

    assert 0 < clock.now - began <= 1.0
