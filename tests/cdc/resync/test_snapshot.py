"""A snapshot over the outbox and a replica in memory: complete, sent once, resumed."""

from collections.abc import Callable

import pytest

from cdc.outbox.throttle import OutboxLimit, RateLimit
from cdc.registry import registry
from cdc.resync import snapshot as module
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.orphans import Orphans
from cdc.resync.run_context import RunContext
from cdc.resync.selection import Selection
from cdc.resync.snapshot import Snapshot
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "stories_story"


def snapshot(
    feed: MemoryFeed, said: list[str], stopped: Callable[[], bool] = lambda: False
) -> Snapshot:
    capture, clock = registry.by_table()[TABLE], FakeClock()
    return Snapshot(
        Selection(capture=capture),
        Orphans(capture, MemoryReader(feed.store), "default"),
        CheckpointStore("send", {"table": TABLE}, using="default"),
        RunContext(clock=clock, say=said.append, advance=lambda _: None, stopped=stopped),
        [RateLimit(0, clock), OutboxLimit("default", clock, said.append)],
        using="default",
    )


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> MemoryFeed:
    monkeypatch.setattr(module, "CHUNK", 2)
    feed = MemoryFeed()
    for number in range(5):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    feed.run()
    return feed


def test_every_row_is_sent_and_orphans_are_removed(feed: MemoryFeed) -> None:
    documents, said = feed.documents(TABLE), list[str]()
    keys = sorted(documents)
    Story.objects.filter(pk=keys[0])._raw_delete("default")
    documents["strange"] = {"_id": "strange"}
    before = feed.documents("stories_story_1")[keys[1]]["_version"]
    sending = snapshot(feed, said)
    assert sending.run()
    assert str(sending.sent) == "4 rows and 1 deletes sent"
    feed.run()
    assert sorted(feed.documents("stories_story_1")) == keys[1:]
    assert feed.documents("stories_story_1")[keys[1]]["_version"] > before
    assert said == [f"{TABLE} holds a document 'strange' that no row can have: remove it by hand."]


def test_a_stopped_snapshot_is_resumed(feed: MemoryFeed) -> None:
    said, checks = list[str](), iter(range(100))
    first = snapshot(feed, said, lambda: next(checks) > 2)
    assert not first.run()
    assert 0 < first.sent.rows < 5
    second = snapshot(feed, said)
    assert second.run()
    assert second.sent.rows == 5
    assert said == [f"Resuming {TABLE}: {first.sent} so far."]
