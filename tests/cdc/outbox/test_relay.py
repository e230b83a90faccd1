"""The relay, with a real outbox and an in-memory broker."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import orjson
import pytest
from django.db.models import F

from cdc.capture.resend import send_again
from cdc.conf import cdc_settings
from cdc.dead_letters.store import RejectedRowStore
from cdc.errors import Retryable
from cdc.models import DeadLetter, OutboxRecord, RelayLease
from cdc.outbox.lease import Lease
from cdc.outbox.progress import SETTLE_AGE_SECONDS
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.relay import LEASE_SECONDS, Guard, Publisher, Relay
from cdc.outbox.sweeper import Sweeper
from cdc.runtime import fault_points, telemetry
from cdc.runtime.counters import Counters
from cdc.testing.twins import FakeClock, MemoryBroker
from cdc.wire.event import Version
from cdc.wire.records import Outgoing
from stories.models import Story
from tests.cdc.outbox.long_leases import LongLeases
from tests.cdc.outbox.open_transaction import OpenTransaction

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


class Inline(Sweeper):
    """Deletes published rows at once, without a thread."""

    def published(self, rows: Sequence[OutboxRecord]) -> None:
        super().published(rows)
        while self.run_once():
            pass


def relay(
    broker: Publisher,
    owner: str = "a",
    clock: FakeClock | None = None,
    outbox: OutboxQueue | None = None,
    sweeper: Sweeper | None = None,
    guard: Guard | None = None,
) -> Relay:
    clock, outbox = clock or FakeClock(), outbox or LongLeases("default")
    return Relay(
        outbox=outbox,
        sweeper=sweeper or Inline(outbox, clock),
        publisher=broker,
        dead_letters=RejectedRowStore("default"),
        owner=owner,
        send_again=partial(send_again, using="default"),
        clock=clock,
        counters=Counters("default", FakeClock()),
        stopping=lambda: False,
        guard=guard,
    )


def story(number: int = 1) -> Story:
    return Story.objects.create(title=f"story {number}", href="http://example.org/")


def sent(broker: MemoryBroker) -> list[Outgoing]:
    records = [record for log in broker.logs.values() for record in log]
    return sorted(records, key=lambda record: int(dict(record.headers)["outbox_id"]))


def test_a_change_is_published_with_its_version_and_then_deleted() -> None:
    saved = story()
    waiting = OutboxRecord.objects.get()
    broker = MemoryBroker()

    relay(broker).run_once()

    (record,) = sent(broker)
    envelope = orjson.loads(record.value or b"")
    assert record.key == b'{"id":%d}' % saved.pk
    assert envelope["after"]["title"] == "story 1"
    assert orjson.loads(envelope["source"]["sequence"]) == [str(waiting.epoch), str(waiting.id)]
    assert dict(record.headers) == {
        "outbox_id": str(waiting.id).encode(),
        "epoch": str(waiting.epoch).encode(),
    }
    assert record.timestamp_ms == waiting.ts_ms
    assert not OutboxRecord.objects.exists()


def test_a_delete_is_followed_by_its_tombstone() -> None:
    saved = story()
    saved.delete()
    broker = MemoryBroker()

    relay(broker).run_once()

    values = [record.value for log in broker.logs.values() for record in log]
    assert [value is None for value in values] == [False, False, True]


def test_no_row_is_deleted_while_the_broker_is_down() -> None:
    story()
    broker = MemoryBroker(down=True)
    worker = relay(broker)

    for _ in range(3):
        with pytest.raises(Retryable):
            worker.run_once()
    assert OutboxRecord.objects.count() == 1

    broker.down = False
    worker.run_once()
    assert not OutboxRecord.objects.exists()
    assert len(sent(broker)) == 1


def test_a_crash_before_the_acknowledgement_repeats_the_event() -> None:
    story()
    broker = MemoryBroker()

    class Crash(Exception):
        pass

    class Broken(OutboxQueue):
        def delete(self, ids: Sequence[int], epoch: int, times: Iterable[int]) -> bool:
            raise Crash

    with pytest.raises(Crash):
        relay(broker, outbox=Broken("default")).run_once()
    relay(broker, owner="a").run_once()

    first, again = sent(broker)
    assert first == again


def test_a_rejected_row_does_not_delay_the_others(caplog: pytest.LogCaptureFixture) -> None:
    story(1)
    Story.objects.create(title="large", href="http://example.org/", description="x" * 5000)
    story(3)
    broker = MemoryBroker(largest=4000)

    relay(broker).run_once()

    titles = [orjson.loads(record.value or b"")["after"]["title"] for record in sent(broker)]
    assert titles == ["story 1", "story 3"]
    assert "more than 4000 bytes" in DeadLetter.objects.get().reason
    assert not OutboxRecord.objects.exists()
    (logged,) = [vars(each) for each in caplog.records if each.message == "outbox.rejected"]
    assert logged["table"] == "stories_story"
    assert "key" not in logged, "a key that is text may be personal"


def test_a_rejected_row_that_cannot_be_stored_stays_in_the_outbox() -> None:
    class Full:
        def store(self, row: OutboxRecord, epoch: int, sent: Outgoing, reason: str) -> None:
            raise Retryable("no room")

    Story.objects.create(title="large", href="http://example.org/", description="x" * 5000)
    worker = relay(MemoryBroker(largest=4000))
    worker._dead_letters = Full()

    for _ in range(2):
        with pytest.raises(Retryable, match="no room"):
            worker.run_once()

    assert OutboxRecord.objects.count() == 1


def test_a_second_relay_stands_by_and_takes_over_when_the_lease_expires() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    first, second = relay(broker, "a", clock), relay(broker, "b", clock)
    first.run_once()
    story()

    second.run_once()
    assert not sent(broker)

    OutboxQueue("default").drop_lease("a")
    clock.sleep(LEASE_SECONDS)
    second.run_once()
    assert len(sent(broker)) == 1
    story(2)
    first.run_once()
    assert len(sent(broker)) == 1


class LeaseByClock(OutboxQueue):
    """A queue whose lease expires by the test's clock instead of the database's clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__("default")
        self.clock, self.owner, self.until = clock, "", 0.0

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        if owner != self.owner and self.clock.now < self.until:
            return None
        self.owner, self.until = owner, self.clock.now + seconds
        return held or Lease(token=1, mark=0)


@pytest.mark.parametrize("after", [0.0, 0.09, 0.19, 0.29])
@pytest.mark.parametrize("before", [0.0, 0.1, 0.19, 0.3, 0.39, 0.5])
def test_a_standby_publishes_within_two_seconds_of_the_leaders_death(
    before: float, after: float
) -> None:
    """In the worst case, the leader dies right after a renewal.

    The standby polls shortly before the lease expires, and then only after a full pause.
    """
    broker, clock = MemoryBroker(), FakeClock()
    outbox = LeaseByClock(clock)
    standby = relay(broker, "standby", clock, outbox)
    relay(broker, "leader", clock, outbox).run_once()
    standby.run_once()
    clock.sleep(before)
    relay(broker, "leader", clock, outbox).run_once()
    story()

    died = clock.now
    clock.sleep(after)
    while not sent(broker):
        standby.run_once()
        standby.pause()

    assert clock.now - died < 2


def test_a_standby_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cdc.outbox.relay")
    clock = FakeClock()
    leader, standby = relay(MemoryBroker(), "a", clock), relay(MemoryBroker(), "b", clock)
    leader.run_once()

    for _ in range(5):
        standby.run_once()
        standby.pause()

    assert [record.getMessage() for record in caplog.records] == [
        telemetry.RELAY_STARTED,
        telemetry.RELAY_STANDBY,
    ]


def test_a_full_batch_asks_to_be_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdc.outbox.finder.BATCH", 2)
    for number in range(3):
        story(number)
    worker = relay(MemoryBroker())

    assert worker.run_once()
    assert not worker.run_once()
    assert not OutboxRecord.objects.exists()


def test_rows_above_the_low_water_mark_are_published() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    worker = relay(broker, clock=clock)
    for number in range(4):
        story(number)
        worker.run_once()
        clock.sleep(0.3)

    assert len(sent(broker)) == 4


def test_records_in_flight_are_abandoned_at_a_stop() -> None:
    story()
    asked: list[bool] = []

    class Unresponsive:
        def publish(self, records: object, keep_waiting: Callable[[], bool]) -> dict[int, str]:
            asked.append(keep_waiting())
            raise Retryable("abandoned")

    clock, outbox = FakeClock(), LongLeases("default")
    worker = Relay(
        outbox=outbox,
        sweeper=Inline(outbox, clock),
        publisher=Unresponsive(),
        dead_letters=RejectedRowStore("default"),
        owner="a",
        send_again=lambda _rows: None,
        clock=clock,
        counters=Counters("default", clock),
        stopping=lambda: True,
    )
    with pytest.raises(Retryable):
        worker.run_once()

    assert asked == [False]
    assert OutboxRecord.objects.count() == 1


class Suspending:
    """A broker that suspends the relay before it first publishes, and then calls `meanwhile`."""

    def __init__(
        self,
        broker: MemoryBroker,
        clock: FakeClock,
        meanwhile: Callable[[], None],
        seconds: float = 2 * LEASE_SECONDS,
    ) -> None:
        self.broker, self.clock, self.meanwhile = broker, clock, meanwhile
        self.seconds = seconds

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        self.clock.sleep(self.seconds)
        meanwhile()
        return self.broker.publish(records, keep_waiting)


def ops(broker: MemoryBroker) -> list[tuple[str, str | None]]:
    """Return the operation and the title of each event in the topic, in order."""
    values = [
        orjson.loads(record.value) for log in broker.logs.values() for record in log if record.value
    ]
    return [(value["op"], (value["after"] or {}).get("title")) for value in values]


def suspend_relay(broker: MemoryBroker, change: Callable[[Story], object]) -> None:
    """Suspend a relay until its lease expires. Another relay publishes its batch and `change`."""
    saved, clock = story(), FakeClock()

    def meanwhile() -> None:
        OutboxQueue("default").drop_lease("suspended")
        other = relay(broker, "other", clock)
        other.run_once()
        change(saved)
        other.run_once()

    suspended = relay(Suspending(broker, clock, meanwhile), "suspended", clock)
    suspended.run_once()
    OutboxQueue("default").drop_lease("other")
    clock.sleep(1)
    relay(broker, "third", clock).run_once()


def test_a_relay_resumed_after_its_lease_sends_its_rows_again() -> None:
    broker = MemoryBroker()

    suspend_relay(broker, lambda saved: Story.objects.filter(pk=saved.pk).update(title="newer"))

    assert ops(broker) == [("c", "story 1"), ("u", "newer"), ("c", "story 1"), ("r", "newer")]


def test_a_relay_resumed_after_its_lease_sends_deletes_again() -> None:
    broker = MemoryBroker()

    suspend_relay(broker, lambda saved: Story.objects.filter(pk=saved.pk).delete())

    assert ops(broker) == [("c", "story 1"), ("d", None), ("c", "story 1"), ("d", None)]


def test_a_relay_suspended_alone_sends_nothing_again() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    story()

    def expire() -> None:
        OutboxQueue("default").drop_lease("suspended")

    relay(Suspending(broker, clock, expire), "suspended", clock).run_once()

    assert ops(broker) == [("c", "story 1")]
    assert not OutboxRecord.objects.exists()


class BatchRejecting:
    """A broker that rejects the first records of a call together, as Kafka rejects a batch."""

    def __init__(self, broker: MemoryBroker, first: int) -> None:
        self.broker, self.first = broker, first

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        head, tail = records[: self.first], records[self.first :]
        reasons = self.broker.publish(head, keep_waiting) if len(records) == 1 else {}
        if len(records) > 1 and any(len(item.value or b"") > self.broker.largest for item in head):
            reasons = dict.fromkeys(range(len(head)), "in a batch that is too large")
        self.broker.publish(tail, keep_waiting)
        return reasons


def test_a_story_whose_batch_was_rejected_ends_with_its_last_change() -> None:
    saved = story(1)
    Story.objects.create(title="large", href="http://example.org/", description="x" * 5000)
    Story.objects.filter(pk=saved.pk).update(title="last")
    broker = MemoryBroker(largest=4000)

    relay(BatchRejecting(broker, 2)).run_once()

    assert ops(broker) == [("u", "last"), ("c", "story 1"), ("u", "last")]
    assert DeadLetter.objects.get().reason == "The value has more than 4000 bytes."


@pytest.fixture
def late() -> Iterator[OpenTransaction]:
    other = OpenTransaction(partial(story, 99))
    yield other
    other.end(commit=False)


def numbers(broker: MemoryBroker) -> list[int]:
    """Return the outbox ids in the topic, in the order of each partition."""
    records = [record for log in broker.logs.values() for record in log]
    return [int(dict(record.headers)["outbox_id"]) for record in records]


def settle(worker: Relay, clock: FakeClock) -> None:
    """Let enough time pass for missing ids to count as unused."""
    for _ in range(int(SETTLE_AGE_SECONDS) + 3):
        worker.run_once()
        clock.sleep(1)
    worker.run_once()


@pytest.mark.row_locks
def test_a_lower_id_that_commits_late_is_published_then(late: OpenTransaction) -> None:
    broker, clock = MemoryBroker(), FakeClock()
    worker = relay(broker, clock=clock)
    for number in range(20):
        story(number)
        worker.run_once()
        clock.sleep(1)
    assert len(set(numbers(broker))) == len(sent(broker)) == 20
    assert not OutboxRecord.objects.exists()

    late.end(commit=True)
    worker.run_once()

    assert ops(broker).count(("c", "story 99")) == 1
    assert len(sent(broker)) == 21
    assert not OutboxRecord.objects.exists()


@pytest.mark.row_locks
def test_the_mark_passes_a_rolled_back_id_and_no_open_one(late: OpenTransaction) -> None:
    broker, clock = MemoryBroker(), FakeClock()
    worker = relay(broker, clock=clock)
    story()
    highest = OutboxRecord.objects.get().id
    for _ in range(30):
        worker.run_once()
        clock.sleep(1)
    assert RelayLease.objects.get().mark < highest

    late.end(commit=False)
    for _ in range(3):
        worker.run_once()
        clock.sleep(1)

    assert RelayLease.objects.get().mark == highest


def test_ids_with_a_stride_are_published_once_and_passed() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    worker = relay(broker, clock=clock)
    # SQLite has no auto-increment step, so the test assigns the ids itself.
    story()
    row = OutboxRecord.objects.get()
    first = row.id
    for number in range(150):
        row.pk = first + 7 * (number + 1)
        row.save(force_insert=True)
        if number % 10 == 0:
            worker.run_once()
    settle(worker, clock)

    assert sorted(numbers(broker)) == [first + 7 * number for number in range(151)]
    assert RelayLease.objects.get().mark == first + 7 * 150
    assert not OutboxRecord.objects.exists()


def test_a_row_is_published_after_a_flush_gave_its_id_again() -> None:
    """The flush deletes the lease. With the token of a new lease, the relay starts from scratch."""
    broker, clock = MemoryBroker(), FakeClock()
    worker = relay(broker, clock=clock, sweeper=Inline(Unwatched("default"), clock))
    for number in range(5):
        story(number)
    row = OutboxRecord.objects.first()
    worker.run_once()
    assert row

    RelayLease.objects.all().delete()
    row.epoch += 1
    row.save(force_insert=True)
    clock.sleep(LEASE_SECONDS)
    worker.run_once()

    assert len(sent(broker)) == 6
    assert not OutboxRecord.objects.exists()


def test_rows_that_a_flush_replaced_while_others_were_published_are_published_too() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    story()

    def flush() -> None:
        RelayLease.objects.all().delete()
        OutboxRecord.objects.all().delete()
        row.epoch += 1
        row.save(force_insert=True)

    row = OutboxRecord.objects.get()
    worker = relay(Suspending(broker, clock, flush), clock=clock)
    worker.run_once()
    worker.run_once()

    epochs = [int(dict(record.headers)["epoch"]) for record in sent(broker)]
    assert epochs[0] == row.epoch - 1
    assert row.epoch in epochs
    assert not OutboxRecord.objects.filter(id=row.id).exists()


class Unwatched(LongLeases):
    """A queue that finds no rows at or below the mark."""

    def ids_in(self, ranges: object, limit: int | None = None) -> list[int]:
        return []


def test_a_row_that_appears_below_the_mark_is_published() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    outbox = LongLeases("default")
    sweeper = Inline(outbox, clock)
    worker = relay(broker, clock=clock, outbox=outbox, sweeper=sweeper)
    for number in range(20):
        story(number)
    row = OutboxRecord.objects.all()[0]
    settle(worker, clock)

    row.save(force_insert=True)
    worker.run_once()
    assert len(sent(broker)) == 20
    clock.sleep(10)
    sweeper.run_once()
    worker.run_once()

    assert len(sent(broker)) == 21
    assert OutboxRecord.objects.get().op == "r", (
        "newer changes of the story may have been published"
    )
    worker.run_once()
    assert not OutboxRecord.objects.exists()


def test_a_row_that_is_back_under_a_recent_id_is_found_with_the_next_one() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    worker = relay(broker, clock=clock)
    story(1)
    row = OutboxRecord.objects.get()
    worker.run_once()

    row.save(force_insert=True)
    story(2)
    worker.run_once()

    assert numbers(broker).count(row.pk) == 2
    assert [record.key for record in sent(broker)][-1] != row.key.encode()
    assert OutboxRecord.objects.get().key == row.key
    worker.run_once()
    assert not OutboxRecord.objects.exists()


def test_a_successor_begins_at_the_mark_and_repeats_what_was_not_deleted() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    outbox = OutboxQueue("default")
    leader = relay(broker, "leader", clock, sweeper=Sweeper(outbox, clock))
    for number in range(3):
        story(number)
    last = OutboxRecord.objects.order_by("-id")[0].id
    settle(leader, clock)
    assert RelayLease.objects.get().mark == last
    assert OutboxRecord.objects.count() == 3

    outbox.drop_lease("leader")
    sweeper = Inline(outbox, clock)
    successor = relay(broker, "successor", clock, sweeper=sweeper)
    successor.run_once()

    assert sorted(numbers(broker)) == sorted([*range(last - 2, last + 1)] * 2)
    successor.run_once()
    assert [op for op, _ in ops(broker)].count("r") == 3
    assert not OutboxRecord.objects.exists()


class TimedLease(LeaseByClock):
    """A lease whose statements take `takes` seconds. A new owner has a new token."""

    token, takes = 0, 0.0

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        before = self.owner
        lease = super().take_lease(owner, seconds)
        self.token += lease is not None and owner != before
        self.clock.sleep(self.takes)
        return lease and Lease(token=self.token, mark=0)


def test_the_lease_counts_from_before_the_statement() -> None:
    """The database measures from the start of the statement, and so must the relay."""
    clock = FakeClock()
    outbox = TimedLease(clock)
    outbox.takes = 0.8 * LEASE_SECONDS
    kept: list[bool] = []

    class Slow(MemoryBroker):
        def publish(
            self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
        ) -> dict[int, str]:
            clock.sleep(0.25 * LEASE_SECONDS)
            outbox.takes = 0
            assert outbox.take_lease("other", LEASE_SECONDS)
            kept.append(keep_waiting())
            raise Retryable("abandoned")

    story()
    with pytest.raises(Retryable):
        relay(Slow(), "slow", clock, outbox).run_once()

    assert kept == [False]


def test_rows_are_sent_again_if_the_lease_expired_counted_from_before_the_statement() -> None:
    clock = FakeClock()
    outbox = TimedLease(clock)
    outbox.takes = 0.8 * LEASE_SECONDS

    class Slow(MemoryBroker):
        def publish(
            self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
        ) -> dict[int, str]:
            clock.sleep(0.25 * LEASE_SECONDS)
            outbox.takes = 0
            assert outbox.take_lease("other", LEASE_SECONDS)
            return super().publish(records, keep_waiting)

    story()
    relay(Slow(), "slow", clock, outbox).run_once()

    assert [row.op for row in OutboxRecord.objects.all()] == ["r"]


class ExpiringLease(TimedLease):
    """A lease that is taken again each time, because it has always expired."""

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        self.token += 1
        return Lease(token=self.token, mark=0)


def test_ones_own_lease_that_expires_twice_is_no_reason_to_send_again() -> None:
    """As on a busy machine, where each statement waits for longer than the lease lasts."""
    clock = FakeClock()

    class Slow(MemoryBroker):
        def publish(
            self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
        ) -> dict[int, str]:
            for _ in range(3):
                clock.sleep(2 * LEASE_SECONDS)
                assert keep_waiting()
            return super().publish(records, keep_waiting)

    story()
    broker = Slow()
    relay(broker, "slow", clock, ExpiringLease(clock)).run_once()

    assert ops(broker) == [("c", "story 1")]
    assert not OutboxRecord.objects.filter(op="r").exists()


def test_a_lease_lost_while_reading_leaves_nothing_in_doubt() -> None:
    broker, clock = MemoryBroker(), FakeClock()

    class SlowRows(LongLeases):
        def rows(self, ids: Iterable[int]) -> list[OutboxRecord]:
            found = super().rows(ids)
            clock.sleep(2 * LEASE_SECONDS)
            self.drop_lease("slow")
            relay(broker, "other", clock).run_once()
            return found

    story()
    slow = relay(broker, "slow", clock, SlowRows("default"))
    slow.run_once()
    OutboxQueue("default").drop_lease("other")
    clock.sleep(1)
    relay(broker, "third", clock).run_once()

    assert ops(broker) == [("c", "story 1")]


def test_the_lease_is_renewed_while_large_rows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdc.outbox.batch.PORTION_BYTES", 1_000)
    broker, clock = MemoryBroker(), FakeClock()
    outbox = LeaseByClock(clock)
    others: list[Lease | None] = []

    def rows(ids: Iterable[int]) -> list[OutboxRecord]:
        clock.sleep(0.6 * LEASE_SECONDS)
        others.append(outbox.take_lease("other", LEASE_SECONDS))
        return OutboxQueue("default").rows(ids)

    monkeypatch.setattr(outbox, "rows", rows)
    for number in range(6):
        Story.objects.create(title=f"{number}", href="http://e.org/", description="x" * 900)
    relay(broker, "reader", clock, outbox).run_once()

    assert others == [None] * 6
    assert len(sent(broker)) == 6


@pytest.mark.parametrize(
    "leases", [1.0, 1.01, 2.0], ids=["until its lease ends", "a moment longer", "for long"]
)
def test_a_token_that_another_relay_had_in_between_is_not_ones_own(leases: float) -> None:
    broker, clock = MemoryBroker(), FakeClock()
    saved = story()

    def meanwhile() -> None:
        OutboxQueue("default").drop_lease("suspended")
        other = relay(broker, "other", clock)
        other.run_once()
        Story.objects.filter(pk=saved.pk).update(title="newer")
        other.run_once()
        other.close()

    suspending = Suspending(broker, clock, meanwhile, leases * LEASE_SECONDS)
    suspended = relay(suspending, "suspended", clock)
    suspended.run_once()
    suspended.run_once()

    assert ops(broker) == [("c", "story 1"), ("u", "newer"), ("c", "story 1"), ("r", "newer")]


def test_a_row_that_cannot_be_sent_again_does_not_end_the_relay(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker, clock = MemoryBroker(), FakeClock()
    small = story(2)
    Story.objects.create(title="large", href="http://example.org/", description="x" * 9000)

    def meanwhile() -> None:
        OutboxQueue("default").drop_lease("suspended")
        other = relay(broker, "other", clock)
        other.run_once()
        other.close()
        limit = replace(cdc_settings(), max_event_bytes=5000)
        monkeypatch.setattr("cdc.capture.changes.cdc_settings", lambda: limit)

    suspended = relay(Suspending(broker, clock, meanwhile), "suspended", clock)
    suspended.run_once()
    suspended.run_once()

    assert ("r", small.title) in ops(broker)
    assert ("r", "large") not in ops(broker)
    assert telemetry.RELAY_NOT_SENT_AGAIN in [record.getMessage() for record in caplog.records]


def test_rows_are_sent_again_after_an_attempt_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, clock = MemoryBroker(), FakeClock()
    story()
    failures, again = [Retryable("a deadlock")], list[OutboxRecord]()

    def meanwhile() -> None:
        OutboxQueue("default").drop_lease("suspended")
        other = relay(broker, "other", clock)
        other.run_once()
        other.close()

    def send(rows: Sequence[OutboxRecord]) -> None:
        if failures:
            raise failures.pop()
        again.extend(rows)

    suspended = relay(Suspending(broker, clock, meanwhile), "suspended", clock)
    monkeypatch.setattr(suspended, "_send_again", send)
    with pytest.raises(Retryable, match="a deadlock"):
        suspended.run_once()
    suspended.run_once()
    suspended.run_once()

    assert len(again) == 1


def updates(count: int) -> list[OutboxRecord]:
    """Change one story several times, so that all its events are in one partition."""
    saved = story(0)
    for number in range(1, count):
        Story.objects.filter(pk=saved.pk).update(diggs=number)
    return list(OutboxRecord.objects.order_by("id"))


def insert_again(rows: Iterable[OutboxRecord]) -> None:
    """Replace the rows with rows of the next epoch with the same ids, as after a flush."""
    OutboxRecord.objects.all().delete()
    for row in rows:
        row.epoch += 1
        row.save(force_insert=True)


def versions(broker: MemoryBroker) -> list[tuple[int, int]]:
    """Return the epoch and the outbox id of each record of the only partition, in order."""
    (log,) = broker.logs.values()
    headers = [dict(record.headers) for record in log]
    return [(int(each["epoch"]), int(each["outbox_id"])) for each in headers]


@pytest.fixture
def single_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each batch contain one row."""
    monkeypatch.setattr("cdc.outbox.batch.PORTION_BYTES", 1)
    monkeypatch.setattr("cdc.outbox.batch.BATCH_BYTES", 1)


def test_rows_that_do_not_fit_into_a_batch_follow_in_order(single_rows: None) -> None:
    broker, rows = MemoryBroker(), updates(6)
    worker = relay(broker)

    batches = 1
    while worker.run_once():
        batches += 1

    assert numbers(broker) == [row.id for row in rows]
    assert batches == 6


def test_what_was_found_before_a_flush_is_found_again_in_order(single_rows: None) -> None:
    broker, clock, rows = MemoryBroker(), FakeClock(), updates(5)
    worker = relay(broker, clock=clock)
    worker.run_once()
    worker.run_once()

    RelayLease.objects.all().delete()
    insert_again(rows)
    clock.sleep(LEASE_SECONDS)
    while worker.run_once():
        pass

    epoch = rows[0].epoch
    assert versions(broker)[2:] == [(epoch, row.id) for row in rows]


def test_a_row_far_below_the_last_one_is_published_after_a_flush() -> None:
    """The relay reads such a low id only after it has started from scratch."""
    broker, clock = MemoryBroker(), FakeClock()
    worker = relay(broker, clock=clock, sweeper=Inline(Unwatched("default"), clock))
    rows = updates(60)
    worker.run_once()

    RelayLease.objects.all().delete()
    insert_again(rows[:1])
    clock.sleep(LEASE_SECONDS)
    worker.run_once()

    assert versions(broker)[60:] == [(rows[0].epoch, rows[0].id)]
    assert not OutboxRecord.objects.exists()


def test_rows_replaced_during_a_publish_do_not_wait_for_their_deletion() -> None:
    broker, clock, rows = MemoryBroker(), FakeClock(), updates(3)

    def flush() -> None:
        RelayLease.objects.all().delete()
        insert_again(rows)

    suspended = Suspending(broker, clock, flush)
    worker = relay(suspended, clock=clock, sweeper=Sweeper(OutboxQueue("default"), clock))
    worker.run_once()
    worker.run_once()

    epoch = rows[0].epoch
    assert set(versions(broker)) >= {(epoch, row.id) for row in rows}


class SlowGuard:
    """A guard that admits everything. Its first check calls `meanwhile`."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile
        self.checked: list[int | None] = []
        self.refusals = 0
        self.begun = False

    def check(
        self, token: int | None, keep_waiting: Callable[[], bool], *, at_once: bool = False
    ) -> bool:
        self.checked.append(token)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        begun, self.begun = self.begun, False
        return begun

    def admits(self, rows: Sequence[OutboxRecord]) -> bool:
        self.refusals -= 1
        return self.refusals < 0

    def is_older(self, row: OutboxRecord) -> bool:
        return False

    def version_of(self, row: OutboxRecord) -> Version:
        return Version(row.epoch, row.id)


def test_nothing_is_published_under_a_token_that_the_guard_has_not_seen() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    story()

    def expire() -> None:
        clock.sleep(2 * LEASE_SECONDS)
        OutboxQueue("default").drop_lease("slow")
        assert OutboxQueue("default").take_lease("other", LEASE_SECONDS)
        OutboxQueue("default").drop_lease("other")

    guard = SlowGuard(expire)
    slow = relay(broker, "slow", clock, guard=guard)
    assert not slow.run_once()
    assert not broker.logs

    slow.run_once()

    assert ops(broker) == [("c", "story 1")]
    assert guard.checked[-1] == RelayLease.objects.get().token != guard.checked[0]


def test_rows_that_the_guard_does_not_admit_are_not_published() -> None:
    broker, guard = MemoryBroker(), SlowGuard(lambda: None)
    story()
    worker = relay(broker, guard=guard)
    guard.refusals = 2

    assert worker.run_once()
    assert worker.run_once()
    assert not broker.logs
    assert OutboxRecord.objects.count() == 1

    worker.run_once()
    assert ops(broker) == [("c", "story 1")]
    assert len(guard.checked) == 3, "the guard is asked before each batch"


def test_rows_read_under_an_earlier_token_are_not_published() -> None:
    """Meanwhile, another relay has published and deleted these rows and a later change."""
    broker, clock = MemoryBroker(), FakeClock()
    saved = story()

    class SlowRows(LongLeases):
        slow = True

        def rows(self, ids: Iterable[int]) -> list[OutboxRecord]:
            found = super().rows(ids)
            if self.slow:
                self.slow = False
                clock.sleep(2 * LEASE_SECONDS)
                self.drop_lease("slow")
                other = relay(broker, "other", clock)
                other.run_once()
                Story.objects.filter(pk=saved.pk).update(title="newer")
                other.run_once()
                other.close()
            return found

    slow = relay(broker, "slow", clock, SlowRows("default"))
    for _ in range(3):
        slow.run_once()

    assert ops(broker) == [("c", "story 1"), ("u", "newer")]
    assert not OutboxRecord.objects.exists()


def test_a_rejected_row_is_not_sent_alone_after_the_lease_is_lost() -> None:
    broker, clock = MemoryBroker(largest=4000), FakeClock()
    for number in range(2):
        Story.objects.create(title=f"{number}", href="http://e.org/", description="x" * 5000)
    alone: list[int] = []

    class Losing(BatchRejecting):
        def publish(
            self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
        ) -> dict[int, str]:
            reasons = super().publish(records, keep_waiting)
            if len(records) > 1:
                clock.sleep(2 * LEASE_SECONDS)
                OutboxQueue("default").drop_lease("slow")
                assert OutboxQueue("default").take_lease("other", 30)
            else:
                alone.append(len(records))
            return reasons

    with pytest.raises(Retryable, match="abandoned"):
        relay(Losing(broker, 2), "slow", clock).run_once()

    assert alone == []
    assert not DeadLetter.objects.exists()
    assert OutboxRecord.objects.filter(op="c").count() == 2


def test_a_new_epoch_makes_the_relay_read_from_the_first_row() -> None:
    """The lease and its token stay the same. Only the guard reports the new epoch."""
    broker, clock, guard = MemoryBroker(), FakeClock(), SlowGuard(lambda: None)
    unwatched = Inline(Unwatched("default"), clock)
    worker = relay(broker, clock=clock, sweeper=unwatched, guard=guard)
    rows = updates(60)
    worker.run_once()
    token = RelayLease.objects.get().token

    insert_again(rows[:2])
    guard.begun = True
    worker.run_once()

    assert versions(broker)[60:] == [(row.epoch, row.id) for row in rows[:2]]
    assert not OutboxRecord.objects.exists()
    assert RelayLease.objects.get().token == token


def pauses(worker: Relay, clock: FakeClock, idle: float) -> float:
    """Return how long the relay waits after it was idle for `idle` seconds."""
    clock.sleep(idle)
    before = clock.now
    worker.pause()
    return clock.now - before


def test_a_relay_polls_less_often_the_longer_it_is_idle() -> None:
    clock = FakeClock(now=1_000.0)
    worker = relay(MemoryBroker(), clock=clock)
    story()
    worker.run_once()

    waited = [pauses(worker, clock, idle) for idle in (0.0, 0.399, 10.0, 1_000.0)]

    assert waited == pytest.approx([0.001, 0.008, 0.016, 0.016])
    story()
    worker.run_once()
    assert pauses(worker, clock, 0.0) == pytest.approx(0.001), "it is not idle any more"


def test_a_standby_polls_a_few_times_a_second() -> None:
    clock = FakeClock()
    relay(MemoryBroker(), "leader", clock).run_once()
    standby = relay(MemoryBroker(), "standby", clock)
    standby.run_once()

    assert [pauses(standby, clock, idle) for idle in (0.0, 60.0)] == pytest.approx([0.2, 0.2])


def test_a_relay_that_published_nothing_yet_polls_as_an_idle_one() -> None:
    clock = FakeClock()
    worker = relay(MemoryBroker(), clock=clock)
    worker.run_once()

    assert pauses(worker, clock, 0.0) == pytest.approx(0.016)


def test_a_relay_that_closes_leaves_the_lease_of_another_one() -> None:
    clock = FakeClock()
    leader, standby = relay(MemoryBroker(), "a", clock), relay(MemoryBroker(), "b", clock)
    leader.run_once()
    standby.run_once()

    standby.close()
    assert OutboxQueue("default").publisher() == "a"
    leader.close()
    assert OutboxQueue("default").publisher() == ""


def test_a_relay_closes_although_the_database_is_unreachable() -> None:
    class Away(OutboxQueue):
        def drop_lease(self, owner: str) -> None:
            raise Retryable("away")

    worker = relay(MemoryBroker(), outbox=Away("default"))
    worker.run_once()

    worker.close()


def test_each_record_waits_only_while_the_lease_is_held() -> None:
    """This applies to records in a batch, and to those sent alone after a rejected batch."""
    asked: list[tuple[int, bool]] = []

    class Asking(BatchRejecting):
        def publish(
            self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
        ) -> dict[int, str]:
            asked.append((len(records), keep_waiting()))
            return super().publish(records, keep_waiting)

    for number in range(2):
        Story.objects.create(title=f"{number}", href="http://e.org/", description="x" * 5000)
    relay(Asking(MemoryBroker(largest=4000), 2)).run_once()

    assert asked == [(2, True), (1, True), (1, True)]


def test_a_dead_letter_of_a_row_says_which_message_was_rejected() -> None:
    saved = Story.objects.create(title="large", href="http://e.org/", description="x" * 5000)
    row = OutboxRecord.objects.get()

    relay(MemoryBroker(largest=4000)).run_once()

    letter = DeadLetter.objects.get()
    assert letter.reason == "The value has more than 4000 bytes."
    assert bytes(letter.key or b"") == b'{"id":%d}' % saved.pk
    assert orjson.loads(letter.value or b"")["after"]["title"] == "large"
    assert letter.offset == row.id


def test_the_counted_rows_are_those_that_were_sent_again() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    for number in range(3):
        story(number)

    def meanwhile() -> None:
        OutboxQueue("default").drop_lease("suspended")
        other = relay(broker, "other", clock)
        other.run_once()
        other.close()

    counters = Counters("default", FakeClock())
    suspended = relay(Suspending(broker, clock, meanwhile), "suspended", clock)
    suspended._counters = counters
    suspended.run_once()

    assert counters.since_start()[telemetry.SENT_AGAIN] == 3
    for _ in range(3):
        clock.sleep(LEASE_SECONDS)
        suspended.run_once()
    assert counters.since_start()[telemetry.SENT_AGAIN] == 3, "only once"


class Renumbering(SlowGuard):
    """Publishes each row in an epoch of its own."""

    def version_of(self, row: OutboxRecord) -> Version:
        return Version(row.epoch + 1_000, row.id)


def test_the_guard_says_in_which_epoch_a_row_is_published() -> None:
    broker = MemoryBroker()
    story()
    row = OutboxRecord.objects.get()

    relay(broker, guard=Renumbering(lambda: None)).run_once()

    (record,) = sent(broker)
    assert versions(broker) == [(row.epoch + 1_000, row.id)]
    envelope = orjson.loads(record.value or b"")
    assert orjson.loads(envelope["source"]["sequence"]) == [str(row.epoch + 1_000), str(row.id)]


def test_a_rejected_row_is_stored_with_the_epoch_in_which_it_was_sent() -> None:
    """A letter of an earlier epoch may be about another row with the same id."""
    story()
    row = OutboxRecord.objects.get()

    relay(MemoryBroker(largest=10), guard=Renumbering(lambda: None)).run_once()

    letter = DeadLetter.objects.get()
    assert (letter.topic_id, letter.offset) == (str(row.epoch + 1_000), row.id)


def test_a_message_names_the_feed_that_sent_it() -> None:
    broker = MemoryBroker()
    story()

    relay(broker).run_once()

    (record,) = sent(broker)
    assert orjson.loads(record.value or b"")["source"]["name"] == cdc_settings().connector


def test_a_row_that_was_found_waits_for_a_lost_lease(single_rows: None) -> None:
    """The row is not skipped, and it is not published without a lease."""
    broker, clock, rows = MemoryBroker(), FakeClock(), updates(3)

    class Losing(LongLeases):
        reads = 0

        def rows(self, ids: Iterable[int]) -> list[OutboxRecord]:
            found = super().rows(ids)
            self.reads += 1
            if self.reads == 2:
                clock.sleep(2 * LEASE_SECONDS)
                RelayLease.objects.update(token=F("token") + 5, owner="another")
                RelayLease.objects.update(expires_at=datetime.now(UTC) + timedelta(seconds=600))
            return found

    worker = relay(broker, clock=clock, outbox=Losing("default"))
    assert worker.run_once()
    worker.run_once()
    assert numbers(broker) == [rows[0].id]

    RelayLease.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=600))
    clock.sleep(LEASE_SECONDS)
    while worker.run_once():
        pass

    assert numbers(broker) == [row.id for row in rows]


def test_each_publication_is_logged_with_its_size_and_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "cdc.outbox.relay")
    broker, clock = MemoryBroker(), FakeClock()
    for number in range(3):
        story(number)

    relay(Suspending(broker, clock, lambda: None, 0.1234567), clock=clock).run_once()

    (logged,) = [vars(item) for item in caplog.records if item.message == telemetry.OUTBOX_SENT]
    assert (logged["count"], logged["ms"]) == (3, 123.5)


def test_each_fault_point_is_passed_once_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests that kill and suspend processes at fault points depend on this."""
    points: list[str] = []
    monkeypatch.setattr(fault_points, "reach", points.append)
    worker = relay(MemoryBroker(), sweeper=Sweeper(OutboxQueue("default"), FakeClock()))
    worker.run_once()
    assert points == []

    story()
    worker.run_once()

    assert points == [fault_points.RELAY_READ, fault_points.RELAY_PRODUCED]


def test_a_relay_with_nothing_to_do_does_not_ask_to_be_called_again() -> None:
    """Otherwise, it would loop without a pause."""
    clock = FakeClock()
    leader, standby = relay(MemoryBroker(), "a", clock), relay(MemoryBroker(), "b", clock)
    assert leader.run_once() is False
    story()
    assert standby.run_once() is False
    assert leader.run_once() is False, "everything is published"
    assert leader.run_once() is False


class Asking(SlowGuard):
    """Records the ids that the relay asked about, and whether the relay could wait longer."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.admitted: list[list[int]] = []
        self.waits: list[bool] = []

    def check(
        self, token: int | None, keep_waiting: Callable[[], bool], *, at_once: bool = False
    ) -> bool:
        self.waits.append(keep_waiting())
        return super().check(token, keep_waiting, at_once=at_once)

    def admits(self, rows: Sequence[OutboxRecord]) -> bool:
        self.admitted.append([row.id for row in rows])
        return super().admits(rows)


def test_the_guard_is_asked_about_the_rows_of_each_batch(single_rows: None) -> None:
    broker, guard, rows = MemoryBroker(), Asking(), updates(3)
    worker = relay(broker, guard=guard)

    while worker.run_once():
        pass

    assert guard.admitted == [[row.id] for row in rows]
    assert guard.waits == [True] * 3


def test_the_guard_stops_waiting_when_the_process_stops() -> None:
    guard, outbox, clock = Asking(), LongLeases("default"), FakeClock()
    worker = relay(MemoryBroker(), outbox=outbox, clock=clock, guard=guard)
    worker._stopping = lambda: True

    worker.run_once()

    assert guard.waits == [False]


def test_a_standby_publishes_nothing_however_often_it_is_called() -> None:
    broker, clock = MemoryBroker(), FakeClock()
    leader, standby = relay(broker, "a", clock), relay(broker, "b", clock)
    leader.run_once()
    story()

    for seconds in (0.0, 0.0, 0.1, 0.3, 0.39, 0.4):
        clock.sleep(seconds)
        assert standby.run_once() is False

    assert not broker.logs
    assert OutboxRecord.objects.count() == 1


class Counted(LeaseByClock):
    """Records when the lease was taken or renewed."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.taken: list[float] = []

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        self.taken.append(round(self.clock.now, 6))
        return super().take_lease(owner, seconds, held)


def test_the_lease_is_renewed_when_it_is_due_and_not_with_each_poll() -> None:
    clock = FakeClock(now=0.0)
    outbox = Counted(clock)
    worker = relay(MemoryBroker(), clock=clock, outbox=outbox)

    for clock.now in (0.0, 0.1, 0.25, 0.375, 0.4, 0.5, 0.79, 0.8, 1.0, 1.25):
        worker.run_once()

    assert outbox.taken == [0.0, 0.4, 0.8, 1.25]


def test_a_successor_does_not_publish_the_whole_outbox_again() -> None:
    """Rows below the mark can be left over; only the last few are read again."""
    broker, clock = MemoryBroker(), FakeClock()
    outbox = OutboxQueue("default")
    leader = relay(broker, "leader", clock, sweeper=Sweeper(outbox, clock))
    rows = updates(60)
    settle(leader, clock)
    assert RelayLease.objects.get().mark == rows[-1].id
    assert OutboxRecord.objects.count() == 60
    leader.close()

    relay(broker, "successor", clock).run_once()

    again = numbers(broker)[60:]
    assert again == [row.id for row in rows][-len(again) :]
    assert len(again) < 20
