"""The age of the outbox, if the clocks of the application hosts are wrong."""

from types import SimpleNamespace

import pytest

from cdc.models import OutboxRecord
from cdc.outbox import table as outbox
from cdc.status.ages import OutboxAge
from stories.models import Story

pytestmark = pytest.mark.django_db(transaction=True)


class Outbox:
    """An outbox whose rows come from a host with a wrong clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("cdc.status.ages.time", SimpleNamespace(time=lambda: self.now))
        self._age = OutboxAge("default")

    def save(self, ahead: float) -> None:
        Story.objects.create(title="a", href=f"http://a.example/{self.now}")
        newest = OutboxRecord.objects.order_by("-id")[:1].get()
        newest.ts_ms = round((self.now + ahead) * 1000)
        newest.save(update_fields=["ts_ms"])

    def seconds(self, after: float) -> float:
        self.now += after
        return self._age.seconds(outbox.depth(using="default").oldest_ms)

    @property
    def captured_since(self) -> float:
        return self._age.captured_since_ms / 1000


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Outbox:
    return Outbox(monkeypatch)


def test_an_empty_outbox_has_no_age(rows: Outbox) -> None:
    assert rows.seconds(5.0) == 0.0


def test_a_clock_that_is_ahead_hides_no_delay(rows: Outbox) -> None:
    rows.save(ahead=600.0)
    assert rows.seconds(0.0) == 0.0
    assert rows.seconds(4.0) == 4.0
    rows.save(ahead=0.0)
    assert rows.seconds(8.0) == 12.0
    OutboxRecord.objects.all().delete()
    assert rows.seconds(1.0) == 0.0


def test_a_clock_that_is_behind_delays_nothing(rows: Outbox) -> None:
    assert rows.seconds(0.0) == 0.0
    rows.save(ahead=-11.0)
    assert rows.seconds(1.0) == 1.0
    for _ in range(3):
        OutboxRecord.objects.all().delete()
        rows.save(ahead=-11.0)
        assert rows.seconds(0.5) == 0.5
    assert rows.seconds(20.0) == 20.5


def test_changes_that_are_not_in_kafka_yet_are_from_a_known_time_or_later(rows: Outbox) -> None:
    assert rows.captured_since == 0.0
    rows.seconds(5.0)
    assert rows.captured_since == 1_005.0
    rows.save(ahead=0.0)
    rows.seconds(60.0)
    assert rows.captured_since == 1_005.0
