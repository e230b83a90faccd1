"""The twin of a Kafka tail, over the broker in memory."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from cdc.errors import Retryable
from cdc.testing.twins import MemoryBroker
from cdc.wire.records import Outgoing, Record, TopicPartition
from cdc.wire.topic import TopicBounds

_WAIT_SECONDS = 0.005


@dataclass(slots=True, kw_only=True)
class MemoryTail:
    """Reads a `MemoryBroker` by offsets; the broker's `down` is an outage."""

    broker: MemoryBroker
    topic: str
    first: dict[int, int] = field(default_factory=dict)
    """Partitions of which only what is from an offset on is held."""
    polled: int = 0
    """Records that were given so far."""
    offsets: dict[int, int] = field(default_factory=dict)

    def shape(self) -> tuple[str, int]:
        self._reach()
        return self.broker.topic_id(self.topic), self.broker.partition_count

    def bounds(self) -> TopicBounds:
        self._reach()
        numbers = self.broker.partitions(self.topic)
        return TopicBounds(
            topic=self.topic,
            topic_id=self.broker.topic_id(self.topic),
            first=tuple(self.first.get(number, 0) for number in numbers),
            end=tuple(len(self._log(number)) for number in numbers),
        )

    def since(self, moment_ms: int) -> dict[int, int]:
        """Return the first offset of each partition that was made then or later, else its end."""
        self._reach()
        return {number: self._since(number, moment_ms) for number in self.broker.partitions("")}

    def start(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions, and only these, from these offsets."""
        self.offsets = dict(offsets)

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """Return up to `limit` records; wait a little when there are none."""
        self._reach()
        records: list[Record] = []
        for number, offset in self.offsets.items():
            begin = max(offset, self.first.get(number, 0))
            log = self._log(number)[begin : begin + limit - len(records)]
            source = TopicPartition(self.topic, number)
            records += [
                Record(source=source, offset=at, key=sent.key, value=sent.value)
                for at, sent in enumerate(log, begin)
            ]
            self.offsets[number] = begin + len(log)
        self.polled += len(records)
        if not records:
            time.sleep(min(seconds, _WAIT_SECONDS))
        return records

    def ended(self) -> dict[int, int]:
        """Return the partitions that were read to their end, with the next offset there."""
        return {at: end for at, end in self.offsets.items() if end >= len(self._log(at))}

    def close(self) -> None:
        """Do nothing."""

    def _reach(self) -> None:
        if self.broker.down:
            raise Retryable("The broker in memory is down: set `down` to False.")

    def _log(self, number: int) -> list[Outgoing]:
        return self.broker.logs.get(TopicPartition(self.topic, number), [])

    def _since(self, number: int, moment_ms: int) -> int:
        log = self._log(number)
        later = (at for at, sent in enumerate(log) if sent.timestamp_ms >= moment_ms)
        return next(later, len(log))
