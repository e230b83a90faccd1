"""The in-memory twin of a Kafka broker. The contract tests run against it and a real broker."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from cdc.conf import TOPIC_NAME
from cdc.errors import Retryable
from cdc.wire.records import Outgoing, Record, TopicPartition


@dataclass(slots=True)
class MemoryBroker:
    """An in-memory broker with a publisher and sources. Offsets start at 0 in each partition."""

    partition_count: int = 5
    largest: int = 1_000_000
    """The maximum size of a value in bytes; a record with a larger value is rejected permanently.
    """
    down: bool = False
    logs: dict[TopicPartition, list[Outgoing]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    """Ids of recreated topics."""
    firsts: dict[TopicPartition, int] = field(default_factory=dict)
    """The first offsets of partitions whose oldest records are deleted."""
    markers: set[tuple[TopicPartition, int]] = field(default_factory=set)
    """The offsets of transaction markers, which no reader receives."""
    elections: dict[TopicPartition, list[int]] = field(default_factory=dict)
    """For each partition, the offsets at which the second and later leader epochs began."""

    def publish(
        self, records: Sequence[Outgoing], keep_waiting: Callable[[], bool]
    ) -> dict[int, str]:
        """Append the records; return the reason for each rejection, by the index of the record."""
        if self.down:
            raise Retryable("The in-memory broker is down: set `down` to False.")
        reasons = {index: self._flaw(record) for index, record in enumerate(records)}
        rejected = {index: reason for index, reason in reasons.items() if reason}
        for index, record in enumerate(records):
            if index not in rejected:
                number = crc32(record.key) % self.partition_count
                self.logs.setdefault(TopicPartition(record.topic, number), []).append(record)
        return rejected

    def _flaw(self, record: Outgoing) -> str:
        if not TOPIC_NAME.match(record.topic):
            return f"{record.topic!r} is not a valid topic name."
        if len(record.value or b"") > self.largest:
            return f"The value has more than {self.largest} bytes."
        return ""

    def topic_id(self, topic: str) -> str:
        """Return the topic's id."""
        return self.ids.get(topic, f"id of {topic}")

    def recreated(self, known: Mapping[str, str]) -> bool:
        """Return whether the id of a topic differs from `known`."""
        return any(self.topic_id(topic) != topic_id for topic, topic_id in known.items())

    def recreate(self, topic: str) -> None:
        """Delete a topic and create it again, empty and with a different id."""
        self.ids[topic] = f"{self.topic_id(topic)}, recreated"
        for held in (self.logs, self.firsts, self.elections):
            for source in [source for source in held if source.topic == topic]:
                del held[source]

    def delete_before(self, source: TopicPartition, offset: int) -> None:
        """Delete the oldest records of a partition, as retention does."""
        self.firsts[source] = offset

    def truncate(self, source: TopicPartition, end: int) -> None:
        """Remove the newest records of a partition, as an unclean leader election does."""
        del self.logs[source][end:]
        begun = self.elections.setdefault(source, [])
        begun[:] = [*(min(offset, end) for offset in begun), end]

    def end_transaction(self, source: TopicPartition) -> None:
        """Append the marker that another program's transaction leaves behind."""
        log = self.logs.setdefault(source, [])
        self.markers.add((source, len(log)))
        marker = Outgoing(topic=source.topic, key=b"", value=None, headers=(), timestamp_ms=0)
        log.append(marker)

    def has(self, source: TopicPartition, offset: int) -> bool:
        """Return whether readers receive a record at `offset`."""
        return (source, offset) not in self.markers

    def bounds(self, source: TopicPartition) -> tuple[int, int]:
        """Return the first offset that is not deleted, and the offset of the next record."""
        return self.firsts.get(source, 0), len(self.logs.get(source, ()))

    def leader_epoch(self, source: TopicPartition, offset: int) -> int:
        """Return the leader epoch in which a record was written."""
        return bisect_right(self.elections.get(source, []), offset)

    def holds(self, source: TopicPartition, offset: int, leader_epoch: int | None) -> bool:
        """Return whether reading can resume at `offset`, after a record of `leader_epoch`."""
        first, end = self.bounds(source)
        begun = self.elections.get(source, [])
        if leader_epoch is not None and leader_epoch < len(begun):
            end = begun[leader_epoch]
        return first <= offset <= end

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the partition numbers of the topic."""
        return tuple(range(self.partition_count))

    def record(self, source: TopicPartition, offset: int) -> Record:
        """Return the record at an offset, as a reader receives it."""
        sent = self.logs[source][offset]
        return Record(
            source=source,
            offset=offset,
            key=sent.key,
            value=sent.value,
            headers=sent.headers,
            timestamp_ms=sent.timestamp_ms,
            leader_epoch=self.leader_epoch(source, offset),
        )

    def source(self, topic: str) -> "MemorySource":
        """Return a source that is assigned all partitions of `topic`."""
        partitions = {TopicPartition(topic, number) for number in range(self.partition_count)}
        return MemorySource(broker=self, unstarted=partitions)


@dataclass(slots=True, kw_only=True)
class MemorySource:
    """Reads a `MemoryBroker`."""

    broker: MemoryBroker
    unstarted: set[TopicPartition]
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    epochs: dict[TopicPartition, int | None] = field(default_factory=dict)
    """The leader epoch of the record before each of `offsets`."""
    starts: dict[TopicPartition, tuple[int | None, int | None]] = field(default_factory=dict)
    losses: dict[TopicPartition, tuple[int | None, int | None]] = field(default_factory=dict)
    stored: dict[TopicPartition, int] = field(default_factory=dict)
    reached: dict[TopicPartition, int] = field(default_factory=dict)

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records of the started partitions."""
        records: list[Record] = []
        for source, offset in list(self.offsets.items()):
            if not self.broker.holds(source, offset, self.epochs[source]):
                del self.offsets[source]
                self.unstarted.add(source)
                self.losses[source] = self.starts[source]
                continue
            last = self.broker.bounds(source)[1]
            end = min(last, offset + limit - len(records))
            span = range(offset, end)
            found = [self.broker.record(source, at) for at in span if self.broker.has(source, at)]
            if found:
                self.epochs[source] = found[-1].leader_epoch
            self.offsets[source] = end
            if end == last:
                self.reached[source] = end
            records += found
        return records

    def waiting(self) -> frozenset[TopicPartition]:
        """Return the assigned partitions that are not fetched yet."""
        return frozenset(self.unstarted)

    def started(self) -> frozenset[TopicPartition]:
        """Return the partitions that are fetched."""
        return frozenset(self.offsets)

    def start(
        self, source: TopicPartition, offset: int | None, leader_epoch: int | None = None
    ) -> None:
        """Fetch a waiting partition from `offset`; None means its first record."""
        self.unstarted.discard(source)
        self.losses.pop(source, None)
        self.starts[source], self.epochs[source] = (offset, leader_epoch), leader_epoch
        self.offsets[source] = self.first_offset(source) if offset is None else offset

    def lost_at(self, source: TopicPartition, offset: int, leader_epoch: int | None) -> bool:
        """Return whether Kafka has lost the records of a waiting partition at this position."""
        return self.losses.get(source) == (offset, leader_epoch)

    def first_offset(self, source: TopicPartition) -> int:
        """Return the first offset of the partition that is not deleted."""
        return self.broker.bounds(source)[0]

    def ends(self) -> Mapping[TopicPartition, int]:
        """Return the ends that polls have reached since the last call."""
        found, self.reached = self.reached, {}
        return {source: end for source, end in found.items() if source in self.offsets}

    def release(self) -> None:
        """Stop fetching; every assigned partition then waits for the next `start`."""
        self.reached.clear()
        self.unstarted |= self.offsets.keys()
        self.offsets.clear()

    def store(self, positions: Mapping[TopicPartition, int]) -> None:
        """Record the group's offsets."""
        self.stored.update(positions)
