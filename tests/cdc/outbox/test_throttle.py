"""Room in the outbox, and the pace."""

from dataclasses import dataclass, field

import pytest

from cdc.models import OutboxRecord
from cdc.outbox.throttle import OutboxRoom, Pace
from cdc.testing.twins import FakeClock
from stories.models import Story


@dataclass
class SlowRelay(FakeClock):
    """A clock by whose sleeping a relay works: after a while a row leaves with each sleep."""

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
    said: list[str] = []

    OutboxRoom("default", SlowRelay(), said.append, most=6).wait(2, lambda: False)

    assert OutboxRecord.objects.count() == 4
    assert said == []


@pytest.mark.django_db
def test_it_says_what_it_waits_for() -> None:
    fill(3)
    said: list[str] = []
    clock = SlowRelay()
    clock.asleep_until = clock.now + 12

    OutboxRoom("default", clock, said.append, most=3).wait(1, lambda: False)

    assert said == [
        (
            "Waiting for room: 3 rows wait in the outbox and get no fewer. "
            "See that `manage.py relay_outbox` runs and that Kafka is up."
        )
    ]


@pytest.mark.django_db
def test_a_chunk_over_the_limit_is_let_into_an_empty_outbox() -> None:
    OutboxRoom("default", FakeClock(), print, most=3).wait(10, lambda: False)


@pytest.mark.django_db
def test_a_stop_ends_the_wait() -> None:
    fill(3)

    OutboxRoom("default", FakeClock(), print, most=3).wait(1, lambda: True)

    assert OutboxRecord.objects.count() == 3


def test_the_pace_is_kept_on_average() -> None:
    clock = FakeClock()
    pace, began = Pace(100, clock), clock.now

    for _ in range(5):
        pace.wait(50, lambda: False)

    assert clock.now - began == pytest.approx(2.0)


def test_without_a_rate_nothing_waits() -> None:
    clock = FakeClock()
    pace, began = Pace(0, clock), clock.now

    pace.wait(1000, lambda: False)
    pace.wait(1000, lambda: False)

    assert clock.now == began
