"""A snapshot sends each row once, and resumes. The replica is in memory."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from cdc.capture.resend import send_rows
from cdc.errors import Refused
from cdc.models import Checkpoint, OutboxRecord
from cdc.outbox.throttle import OutboxLimit, RateLimit
from cdc.registry import registry
from cdc.resync import orphans as orphans_module
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
    assert str(sending.sent) == "4 rows and 1 delete sent"
    feed.run()
    assert sorted(feed.documents("stories_story_1")) == keys[1:]
    assert feed.documents("stories_story_1")[keys[1]]["_version"] > before
    assert said == [
        (
            f"{TABLE} has a document with the key 'strange', which no row can have: delete this "
            "document."
        )
    ]


def test_a_stopped_snapshot_is_resumed(feed: MemoryFeed) -> None:
    said, checks = list[str](), iter(range(100))
    first = snapshot(feed, said, lambda: next(checks) > 2)
    assert not first.run()
    assert 0 < first.sent.rows < 5
    second = snapshot(feed, said)
    assert second.run()
    assert second.sent.rows == 5
    assert said == [f"Resuming {TABLE}: {first.sent} so far."]


def test_no_chunk_waits_for_the_commit_of_its_caller(feed: MemoryFeed) -> None:
    """A chunk that is part of a longer transaction would keep its rows locked until the end."""
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        snapshot(feed, []).run()

    assert not OutboxRecord.objects.exists()


class Recording(MemoryReader):
    """A reader that records the starting points of its reads of keys."""

    def __init__(self, feed: MemoryFeed) -> None:
        super().__init__(feed.store)
        self.reads: Counter[tuple[str, Any]] = Counter()

    def keys_after(self, collection: str, last: Any, limit: int) -> list[Any]:
        self.reads[collection, last] += 1
        return super().keys_after(collection, last, limit)


class Throttled:
    """A throttle that records for how many rows it was called."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def wait(self, rows: int, stopped: Callable[[], bool]) -> None:
        self.rows.append(rows)


@pytest.fixture
def changed(feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch) -> MemoryFeed:
    """Return a feed with orphans, and with foreign documents that differ by collection."""
    monkeypatch.setattr(orphans_module, "CHUNK", 2)
    keys = sorted(feed.documents(TABLE))
    Story.objects.filter(pk__in=keys[:2])._raw_delete("default")
    names = (TABLE, f"{TABLE}_1", f"{TABLE}_2")
    for number, name in enumerate(names, 1):
        feed.documents(name).update({key: {"_id": key} for key in (-number, f"strange {number}")})
    return feed


def sending(
    reader: Recording,
    said: list[str],
    stopped: Callable[[], bool] = lambda: False,
    conditions: tuple[str, ...] = (),
    throttle: Throttled | None = None,
) -> Snapshot:
    capture = registry.by_table()[TABLE]
    return Snapshot(
        Selection(capture=capture, conditions=conditions),
        Orphans(capture, reader, "default"),
        CheckpointStore("send", {"table": TABLE}, using="default"),
        RunContext(clock=FakeClock(), say=said.append, advance=lambda _: None, stopped=stopped),
        [throttle or Throttled()],
        using="default",
    )


def queued() -> list[tuple[str, str]]:
    return sorted(OutboxRecord.objects.values_list("op", "key"))


@pytest.mark.parametrize("checks", range(14))
def test_a_snapshot_stopped_anywhere_skips_and_repeats_nothing(
    changed: MemoryFeed, checks: int
) -> None:
    keys, said, left = sorted(changed.documents(TABLE), key=str), list[str](), iter(range(checks))
    orphans = [-3, -2, -1, *sorted(set(keys) - {"strange 1", -1})[:2]]
    reader = Recording(changed)

    first = sending(reader, said, lambda: next(left, None) is None)
    stopped = not first.run()
    assert sending(reader, said).run()

    rows = Story.objects.values_list("pk", flat=True)
    assert queued() == sorted(
        [("r", f'{{"id":{key}}}') for key in rows] + [("d", f'{{"id":{key}}}') for key in orphans]
    )
    foreign = [text for text in said if not text.startswith("Resuming")]
    assert len(foreign) == len(set(foreign)) == 3
    assert sum(reader.reads.values()) - len(reader.reads) <= 1, "only the interrupted chunk"
    assert stopped is (len(said) == 4) or not checks
    assert not Checkpoint.objects.exists(), "the next run begins from the start"


def test_a_selection_of_rows_removes_nothing(changed: MemoryFeed) -> None:
    (key, *_) = Story.objects.values_list("pk", flat=True)
    said, reader = list[str](), Recording(changed)

    assert sending(reader, said, conditions=(f"id={key}",)).run()

    assert queued() == [("r", f'{{"id":{key}}}')]
    assert not reader.reads
    assert said == []


def test_every_row_and_every_delete_is_throttled(changed: MemoryFeed) -> None:
    throttle = Throttled()

    assert sending(Recording(changed), [], throttle=throttle).run()

    assert sum(throttle.rows) == 3 + 5
    assert max(throttle.rows) == 2


def test_a_chunk_that_is_rolled_back_counts_once(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may roll back the transaction of a chunk at its last statement."""
    save, failures = CheckpointStore.save, [OperationalError(1213, "Deadlock found")]

    def deadlocked(self: CheckpointStore, state: dict[str, Any]) -> None:
        if failures and state["rows"] > 2:
            raise failures.pop()
        save(self, state)

    monkeypatch.setattr(CheckpointStore, "save", deadlocked)
    sending = snapshot(feed, [])

    assert sending.run()

    assert not failures
    assert sending.sent.rows == 5
    assert OutboxRecord.objects.filter(op="r").count() == 5


def test_the_progress_is_the_number_of_rows_also_of_a_resumed_snapshot(feed: MemoryFeed) -> None:
    def advancing(steps: list[int], stopped: Callable[[], bool] = lambda: False) -> Snapshot:
        sending = snapshot(feed, [], stopped)
        sending._context = replace(sending._context, advance=steps.append)
        return sending

    steps: list[int] = []
    assert not advancing(steps, lambda: bool(steps)).run()
    assert steps == [2]

    again: list[int] = []
    assert advancing(again).run()

    assert again == [2, 2, 1]


def test_deletes_of_several_chunks_add_up(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans_module, "CHUNK", 2)
    feed.documents(TABLE).update({key: {"_id": key} for key in (-1, -2, -3)})
    feed.documents(f"{TABLE}_2").update({key: {"_id": key} for key in (-1, -7)})
    sending = snapshot(feed, [])

    assert sending.run()

    assert str(sending.sent) == "5 rows and 4 deletes sent"
    assert OutboxRecord.objects.filter(op="d").count() == 4


def test_a_delete_is_sent_again_after_a_lock(feed: MemoryFeed) -> None:
    feed.documents(TABLE)[-1] = {"_id": -1}
    failures = [OperationalError(1205, "Lock wait timeout exceeded") for _ in range(2)]

    def locked(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if failures and "cdc_outbox" in sql and "d" in params:
            raise failures.pop()
        return execute(sql, params, many, context)

    sending = snapshot(feed, [])
    with connection.execute_wrapper(locked):
        assert sending.run()

    assert not failures
    assert OutboxRecord.objects.filter(op="d").count() == sending.sent.deletes == 1


def test_a_row_that_is_sent_alone_is_sent_once_if_a_later_row_is_locked(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, failures = sorted(feed.documents(TABLE)), [OperationalError(1213, "Deadlock found")]

    def refuse(capture: Any, chunk: Any, *, using: str) -> Any:
        if len(chunk) > 1:
            raise Refused("One of the rows is too large.")
        if chunk == [keys[1]] and failures:
            raise failures.pop()
        return send_rows(capture, chunk, using=using)

    monkeypatch.setattr(module, "send_rows", refuse)
    sending = snapshot(feed, [])

    assert sending.run()

    assert not failures
    assert str(sending.sent) == "5 rows and 0 deletes sent"
    assert OutboxRecord.objects.filter(op="r").count() == 5


def test_each_refused_row_is_counted_and_the_others_are_sent(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, said = sorted(feed.documents(TABLE)), list[str]()

    def refuse(capture: Any, chunk: Any, *, using: str) -> Any:
        for key in {keys[0], keys[1], keys[4]} & set(chunk):
            raise Refused(f"{key} is too large.")
        return send_rows(capture, chunk, using=using)

    monkeypatch.setattr(module, "send_rows", refuse)
    sending = snapshot(feed, said)

    assert sending.run()

    assert str(sending.sent) == "2 rows and 0 deletes sent, 3 rows refused"
    assert said == [f"{key} is too large." for key in (keys[0], keys[1], keys[4])]
    assert queued() == [("r", f'{{"id":{key}}}') for key in keys[2:4]]


@pytest.mark.parametrize("throttle", [0, 1])
def test_a_stop_while_a_throttle_waits_sends_nothing_more(feed: MemoryFeed, throttle: int) -> None:
    stop: list[bool] = []

    class Stopping(Throttled):
        def wait(self, rows: int, stopped: Callable[[], bool]) -> None:
            assert stopped() is bool(stop)
            stop.append(True)

    sending = snapshot(feed, [], lambda: bool(stop))
    sending._throttles = [Throttled() for _ in range(throttle)] + [Stopping()]

    assert not sending.run()

    assert queued() == []
    assert sending.sent.rows == 0
