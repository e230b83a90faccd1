"""The in-memory twin of the Kafka tail."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cdc.errors import Retryable
from cdc.testing.twins import MemoryBroker
from cdc.wire.published import LAST_RECORDS, Published, published
from cdc.wire.records import Outgoing, Record, TopicPartition
from cdc.wire.topic import TopicBounds

_WAIT_SECONDS = 0.005


@dataclass(slots=True, kw_only=True)
class MemoryTail:
    """Reads a `MemoryBroker` by offset; raises Retryable while the broker is `down`."""

    broker: MemoryBroker
    topic: str
    first: dict[int, int] = field(default_factory=dict)
    """The first offset of each partition; earlier records are treated as removed by compaction."""
    polled: int = 0
    """The number of records returned so far."""
    offsets: dict[int, int] = field(default_factory=dict)

    def shape(self) -> tuple[str, int]:
        self._check_broker()
        return self.broker.topic_id(self.topic), self.broker.partition_count

    def bounds(self) -> TopicBounds:
        self._check_broker()
        numbers = self.broker.partitions(self.topic)
        return TopicBounds(
            topic=self.topic,
            topic_id=self.broker.topic_id(self.topic),
            first=tuple(self.first.get(number, 0) for number in numbers),
            end=tuple(len(self._log(number)) for number in numbers),
        )

    def since(self, moment_ms: int) -> dict[int, int]:
        self._check_broker()
        return {number: self._since(number, moment_ms) for number in self.broker.partitions("")}

    def start(self, offsets: Mapping[int, int]) -> None:
        self.offsets = dict(offsets)

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records; if there are none, wait for a few milliseconds."""
        self._check_broker()
        records: list[Record] = []
        for number, offset in self.offsets.items():
            begin = max(offset, self.first.get(number, 0))
            log = self._log(number)[begin : begin + limit - len(records)]
            source = TopicPartition(self.topic, number)
            records += [self.broker.record(source, at) for at in range(begin, begin + len(log))]
            self.offsets[number] = begin + len(log)
        self.polled += len(records)
        if not records:
            time.sleep(min(seconds, _WAIT_SECONDS))
        return records

    def ended(self) -> dict[int, int]:
        return {at: end for at, end in self.offsets.items() if end >= len(self._log(at))}

    def close(self) -> None:
        """Do nothing, because no connection is open."""

    def _check_broker(self) -> None:
        if self.broker.down:
            raise Retryable("The in-memory broker is down: set `down` to False.")

    def _log(self, number: int) -> list[Outgoing]:
        return self.broker.logs.get(TopicPartition(self.topic, number), [])

    def _since(self, number: int, moment_ms: int) -> int:
        log = self._log(number)
        later = (at for at, sent in enumerate(log) if sent.timestamp_ms >= moment_ms)
        return next(later, len(log))


@dataclass(slots=True)
class MemoryLastPublished:
    """Reads the last published changes of a `MemoryBroker`."""

    broker: MemoryBroker

    def __call__(self, keep_waiting: Callable[[], bool]) -> list[Published]:
        """Return the last changes of each partition. The order is undefined."""
        if self.broker.down or not keep_waiting():
            raise Retryable("The in-memory broker is down, or the caller stopped waiting.")
        ends = [record for log in self.broker.logs.values() for record in log[-LAST_RECORDS:]]
        found = (published(each.key, each.value, dict(each.headers), each.topic) for each in ends)
        return [change for change in found if change]
