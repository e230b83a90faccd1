"""The size of batches is limited in bytes, halved after failures, and then grows again."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cdc.consumer.batches import ATTEMPTS, ATTEMPTS_ALONE, BYTES, RECORDS, BatchSize
from cdc.errors import Fenced, Rejected, Retryable, TooLarge, Unreachable
from cdc.mongo.apply.writes import written_bytes
from cdc.mongo.client import database
from cdc.mongo.plan import Conflict, Delivered
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from cdc.testing.twins import MemoryReplica
from cdc.wire.event import ChangeEvent, Version
from cdc.wire.records import Outgoing, Record
from tests.cdc.consumer.test_consumer import TOPIC, Feed, run
from tests.support.builders import COLLECTIONS, ROUTES, SOURCE, change, delivered, outgoing
from tests.support.commands import wait_until
from tests.support.feed_settings import without_servers
from tests.support.mongodb import OwnMongod, connected, running, set_parameter

pytestmark = pytest.mark.slow


class Choosy(MemoryReplica):
    """A replica that refuses batches of more than `most` events, and events of `refused` rows."""

    error: ClassVar[type[Retryable]] = Retryable
    most: ClassVar[int] = RECORDS
    refused: ClassVar[frozenset[int]] = frozenset()
    tried: ClassVar[list[int]] = []

    def before(self, batch: Sequence[Delivered]) -> None:
        self.tried.append(len(batch))
        if len(batch) > self.most or any(item.event.key in self.refused for item in batch):
            raise self.error("it does not fit")


def choosy(**attributes: Any) -> type[Choosy]:
    return type("Choosy", (Choosy,), {"tried": [], **attributes})


def created(key: int) -> Outgoing:
    return outgoing(change("c", key, key), TOPIC)


def test_a_batch_that_keeps_failing_is_halved_until_it_passes() -> None:
    kind = choosy(most=40)
    feed = Feed(kind)
    feed.send(*map(created, range(1, 201)))

    run(feed, 60)

    assert feed.titles().keys() == set(range(1, 201))
    assert kind.tried[:7] == [200, 200, 200, 100, 100, 100, 50]


def test_batches_grow_again() -> None:
    kind = choosy(most=40)
    feed = Feed(kind)
    feed.send(*map(created, range(1, 201)))
    run(feed, 60)
    kind.most = RECORDS

    for key in range(201, 400):
        feed.send(created(key))
        feed.drain()
    feed.send(*map(created, range(400, 900)))
    feed.drain()

    assert max(kind.tried) == 500
    assert feed.titles().keys() == set(range(1, 900))


def test_a_single_failure_halves_nothing() -> None:
    kind = choosy(most=0)
    feed = Feed(kind)
    feed.send(*map(created, range(1, 101)))
    for _ in range(ATTEMPTS - 1):
        with suppress(Retryable):
            feed.consumer.run_once()
    kind.most = RECORDS

    run(feed, 2)

    assert kind.tried[-1] == 100


def test_an_unreachable_mongodb_halves_nothing() -> None:
    kind = choosy(most=0, error=Unreachable)
    feed = Feed(kind)
    feed.send(*map(created, range(1, 101)))
    run(feed, 50)
    kind.most = RECORDS

    run(feed, 2)

    assert set(kind.tried) == {100}


def test_one_change_that_is_too_large_is_a_dead_letter_and_the_others_are_applied() -> None:
    feed = Feed(choosy(error=TooLarge, refused=frozenset({7, 60})))
    feed.send(*map(created, range(1, 101)))

    run(feed, 400)

    assert feed.titles().keys() == set(range(1, 101)) - {7, 60}
    assert (
        list(feed.letters.kept.values())
        == ["The record is too large for MongoDB. it does not fit"] * 2
    )


def test_one_change_that_fails_for_another_reason_is_tried_again() -> None:
    """The change might not be the cause of the error, so it does not become a dead letter."""
    kind = choosy(refused=frozenset({7}))
    feed = Feed(kind)
    feed.send(created(7))
    run(feed, 50)
    assert not feed.letters.kept

    kind.refused = frozenset()
    run(feed, 2)

    assert feed.titles() == {7: "version 1.7"}


def numbers(key: int, count: int) -> Outgoing:
    """Return a story with a list of digits, which needs six times as many bytes in BSON."""
    return outgoing(with_numbers(change("c", key, key), count), TOPIC)


def with_numbers(event: ChangeEvent, count: int) -> ChangeEvent:
    more = {"shorturl": [1] * count}
    before = None if event.before is None else {**event.before, **more}
    return replace(event, before=before, after={**(event.after or {}), **more})


def test_bytes_are_those_of_every_collection_and_of_the_history() -> None:
    event = change("u", 1, 1)

    small = written_bytes(delivered(event), ROUTES)
    large = written_bytes(delivered(with_numbers(event, 100_000)), ROUTES)

    assert 2_000 < small < 10_000
    assert 10 * 200_000 < large < 30 * 200_000


def test_a_batch_holds_a_bounded_number_of_bytes() -> None:
    kind = choosy()
    feed = Feed(kind)
    feed.send(*(numbers(key, 300_000) for key in range(1, 5)))

    feed.drain()

    assert feed.titles().keys() == set(range(1, 5))
    assert set(kind.tried) == {1}
    assert written_bytes(delivered(change("c", 1, 1)), ROUTES) * RECORDS < BYTES


class Sized(BatchSize):
    """A `BatchSize` that uses the offset of each event as its size."""

    def _size(self, delivered: Delivered | None) -> int:
        return 0 if delivered is None else delivered.offset


def cut(*sizes: int | None) -> list[list[int | None]]:
    """Return the batches of events of these sizes. None means a record without an event."""
    record = Record(source=SOURCE, offset=0, key=None, value=None)
    decoded = [
        (record, None if size is None else delivered(change("c", 1, 1), offset=size))
        for size in sizes
    ]
    batches = Sized(ROUTES).cut(decoded)
    return [[None if item is None else item.offset for _, item in batch] for batch in batches]


@pytest.mark.parametrize(
    ("sizes", "batches"),
    [
        ([], []),
        ([BYTES - 1, 1, 1], [[BYTES - 1, 1], [1]]),
        ([BYTES - 1, 2, BYTES - 2, 1], [[BYTES - 1], [2, BYTES - 2], [1]]),
        ([1, BYTES + 1, 1], [[1], [BYTES + 1], [1]]),
        ([None, BYTES, None, 1], [[None, BYTES, None], [1]]),
        ([None, None], [[None, None]]),
    ],
)
def test_batches_are_cut_at_the_limit(
    sizes: list[int | None], batches: list[list[int | None]]
) -> None:
    assert cut(*sizes) == batches


def test_a_record_without_an_event_has_no_size() -> None:
    record = Record(source=SOURCE, offset=0, key=None, value=None)
    size = BatchSize(ROUTES)

    assert size._size(None) == 0
    assert list(size.cut([(record, None), (record, None)])) == [[(record, None)] * 2]


def succeed(size: BatchSize, times: int) -> None:
    for _ in range(times):
        with size.watching(size.records):
            pass


def fail(size: BatchSize, times: int, error: Exception, records: int | None = None) -> None:
    for _ in range(times):
        with pytest.raises(type(error)), size.watching(records or size.records):
            raise error


def test_ten_batches_in_a_row_double_the_size_up_to_the_limit() -> None:
    size = BatchSize(ROUTES)
    fail(size, ATTEMPTS, Retryable("busy"))
    assert size.records == RECORDS // 2
    succeed(size, 9)
    fail(size, 1, Retryable("busy"))
    succeed(size, 9)
    assert size.records == RECORDS // 2

    succeed(size, 1)
    assert size.records == RECORDS
    succeed(size, 10)
    assert size.records == RECORDS


def test_a_size_that_halves_grows_step_by_step() -> None:
    size = BatchSize(ROUTES)
    fail(size, ATTEMPTS * 3, Retryable("busy"))
    assert size.records == RECORDS // 8
    succeed(size, 19)
    assert size.records == RECORDS // 4
    succeed(size, 1)
    assert size.records == RECORDS // 2


def test_only_failures_in_a_row_halve_a_batch() -> None:
    size = BatchSize(ROUTES)
    for _ in range(3):
        fail(size, ATTEMPTS - 1, Retryable("busy"))
        succeed(size, 1)
    assert size.records == RECORDS


def test_a_batch_of_one_record_is_not_halved() -> None:
    size = BatchSize(ROUTES)
    fail(size, ATTEMPTS, Retryable("busy"), records=1)
    assert size.records == 1
    fail(size, ATTEMPTS, Retryable("busy"), records=1)
    assert size.records == 1


@pytest.mark.parametrize(
    "error", [Fenced("taken over"), Unreachable("gone"), Conflict("unique", Version(1, 1))]
)
def test_what_is_not_a_matter_of_size_counts_neither_way(error: Exception) -> None:
    size = BatchSize(ROUTES)
    fail(size, ATTEMPTS - 1, Retryable("busy"))
    fail(size, 50, error)
    assert size.records == RECORDS

    fail(size, 1, Retryable("busy"))
    assert size.records == RECORDS // 2


def test_one_record_is_rejected_after_thirty_failures_alone() -> None:
    size = BatchSize(ROUTES)
    fail(size, ATTEMPTS_ALONE - 1, TooLarge("It is too large."), records=1)

    with pytest.raises(Rejected) as caught, size.watching(1):
        raise TooLarge("It is too large.")
    assert str(caught.value) == "The record is too large for MongoDB. It is too large."


@pytest.mark.parametrize("between", [0, 2])
def test_the_failures_alone_must_be_in_a_row(between: int) -> None:
    size = BatchSize(ROUTES)
    fail(size, ATTEMPTS_ALONE - 1, TooLarge("It is too large."), records=1)
    if between:
        fail(size, 1, TooLarge("It is too large."), records=between)
    else:
        succeed(size, 1)

    fail(size, ATTEMPTS_ALONE - 1, TooLarge("It is too large."), records=1)


class Own:
    """A consumer with an in-memory broker and a mongod that no other test uses."""

    def __init__(self, uri: str) -> None:
        self.settings = without_servers(mongodb_uri=uri, mongodb_database="own")
        self.client = connected(self.settings)
        replica = MongoReplica(self.client, self.settings, ROUTES, "a", clock=SystemClock())
        replica.prepare()
        self.feed = Feed()
        self.feed.consumer._replica = replica

    def keys(self, collection: str = COLLECTIONS[0]) -> set[int]:
        found = database(self.client, self.settings)[collection].find({}, {"_id": 1})
        return {item["_id"] for item in found}

    def no_transaction_is_open(self) -> bool:
        return bool(self.client.admin.command("serverStatus")["transactions"]["currentOpen"] == 0)

    def run(self, wanted: set[int], rounds: int = 200) -> None:
        for _ in range(rounds):
            with suppress(Retryable):
                self.feed.consumer.run_once()
            if self.keys(COLLECTIONS[-1]) == wanted:
                return


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Own]:
    with running(OwnMongod(tmp_path)) as server:
        own = Own(server.uri)
        yield own
        own.client.close()


@pytest.mark.services
def test_long_number_lists_pass_through_a_small_cache(own: Own) -> None:
    own.feed.send(*(numbers(key, 150_000) for key in range(1, 37)))

    own.run(set(range(1, 37)))

    assert own.keys() == own.keys(COLLECTIONS[-1]) == set(range(1, 37))
    assert not own.feed.letters.kept


@pytest.mark.services
def test_batches_that_outlast_a_transaction_are_halved(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A batch of creations would otherwise be written without a lookup, by another method.
    monkeypatch.setattr("cdc.mongo.replica.direct_batch", lambda *_: None)
    set_parameter(own.client, "transactionLifetimeLimitSeconds", 1)
    replica: Any = own.feed.consumer._replica
    write, outlasted = replica._write, []

    def slow(planned: Any, batch: Sequence[Delivered], *rest: Any, **more: Any) -> None:
        if len(batch) > 100:
            outlasted.append(len(batch))  # A slow write may already outlast the transaction.
        write(planned, batch, *rest, **more)
        if len(batch) > 100:
            wait_until(own.no_transaction_is_open, "the server to end the transaction")

    replica._write = slow
    own.feed.send(*map(created, range(1, 401)))

    own.run(set(range(1, 401)))

    assert set(outlasted) == {400, 200}
    assert own.keys() == set(range(1, 401))
    assert not own.feed.letters.kept
