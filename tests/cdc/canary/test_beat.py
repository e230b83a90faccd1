"""The canary is sent, and its delay is measured. It has its own topic and collection."""

import pytest

from cdc.canary.beat import EVERY_SECONDS, beat
from cdc.canary.models import Canary, CanaryTrip
from cdc.consumer.routes import routes
from cdc.models import OutboxRecord
from cdc.mongo.plan import deliver
from cdc.registry import all_topics, registry, topic_names
from cdc.testing.twins import FakeClock, MemoryReplica, MemoryStore
from tests.support.builders import SOURCE, change, delivered

CLOCK = FakeClock()


def arrives(canary: Canary, seconds: float) -> bool:
    CLOCK.sleep(0.25)
    return True


def is_lost(canary: Canary, seconds: float) -> bool:
    CLOCK.sleep(seconds)
    return False


@pytest.mark.django_db
def test_each_beat_is_an_event_and_is_measured() -> None:
    assert beat("default", CLOCK, arrives) == 0.25
    assert beat("default", CLOCK, is_lost) is None

    rows = list(OutboxRecord.objects.order_by("id"))
    assert [(row.op, row.table, row.user) for row in rows] == [
        ("c", "cdc_canary", "canary"),
        ("u", "cdc_canary", "canary"),
    ]
    assert {row.topic for row in rows} == {"story-events-canary"}
    assert Canary.objects.get().beat == 2
    trip = CanaryTrip.objects.get()
    assert trip.seconds == 0.25
    assert trip.arrived_at is not None
    assert trip.sent_at.timestamp() == CLOCK.time() - EVERY_SECONDS


@pytest.mark.django_db
def test_a_long_break_starts_the_canary_again() -> None:
    for pause, restarts in ((0.0, True), (EVERY_SECONDS, False), (30.0, False), (30.25, True)):
        CLOCK.sleep(pause)
        began = CLOCK.time()
        beat("default", CLOCK, lambda _canary, _seconds: True)
        trip = CanaryTrip.objects.get()
        assert trip.started_at is not None
        assert (trip.started_at.timestamp() == began) is restarts, pause


def test_it_is_not_among_the_captured_models() -> None:
    assert Canary not in {capture.model for capture in registry}
    assert registry.find(Canary) is not None
    assert "story-events-canary" not in topic_names()
    assert all_topics()["story-events-canary"] == 1
    assert all_topics()["story-events"] == 0


def test_it_has_its_own_collection_and_no_history() -> None:
    store, known = MemoryStore(), routes()
    replica = MemoryReplica(store, known, "me")
    replica.take_over(SOURCE, "id")
    event = change("c", 1, 1)
    row = {"name": "feed", "beat": 1, "sent_at": "2026-01-02T03:04:05.000Z"}
    canary = type(event)(
        op=event.op,
        table="cdc_canary",
        key_column="name",
        key="feed",
        before=None,
        after=row,
        version=event.version,
        ts_ms=event.ts_ms,
        db="",
        user="canary",
    )
    batch = [deliver(canary, known["cdc_canary"], SOURCE, 0), delivered(change("c", 2, 2), 1)]
    replica.apply(batch, {SOURCE: 2})
    assert store.collection("storyfeed_canary")["feed"]["beat"] == 1
    assert list(store.collection("stories_story")) == [2]
    assert [document["table"] for document in store.history.values()] == ["stories_story"]
