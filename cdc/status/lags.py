"""Reads from Kafka how many published records the replica has not applied, and their age."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from time import monotonic

from cdc.conf import CdcSettings
from cdc.declarations import is_canary_topic
from cdc.errors import Retryable
from cdc.kafka.retention import Retention
from cdc.kafka.topics import Topics
from cdc.kafka.watermarks import Watermarks
from cdc.mongo.positions import StoredOffset
from cdc.registry import Capture, registry
from cdc.status.ages import Reading, age, reading_of
from cdc.status.facts import PartitionLag
from cdc.wire.records import TopicPartition

Failed = Callable[[Retryable], None]
_DAY_SECONDS = 86_400
_OLD_TOPICS_SECONDS = 60.0


class Lags:
    """Reads the lag of each partition of the captured topics.

    An instance remembers its last reading. If Kafka does not return a record in a later
    reading, the previous reading may still limit how old the record can be. The record then gets
    this highest possible age, and the failure is not reported as a problem.
    """

    def __init__(self, settings: CdcSettings, captures: Iterable[Capture]) -> None:
        self._names = sorted({capture.topic for capture in captures})
        self._marker_days = settings.delete_marker_days
        self._topics = Topics(settings)
        self._watermarks = Watermarks(settings)
        self._retention = Retention(settings)
        self._last: dict[TopicPartition, Reading] = {}
        self.missing: tuple[str, ...] = ()
        """The topics that did not exist at the last reading, although the group has read them.

        If the group has read topics but none of the captured topics, all captured topics that do
        not exist are included, because KAFKA_TOPIC or KAFKA_BOOTSTRAP_SERVERS may be wrong.
        """
        self.abandoned: tuple[str, ...] = ()
        """The topics that the group has read, that no model uses any more, and that contain records
        which the group has not applied. If Kafka does not describe one of them, the last answer
        counts, and the topics are not examined again for a minute."""
        self._old_due = float("-inf")

    def read(
        self,
        positions: Mapping[TopicPartition, StoredOffset],
        failed: Failed,
        captured_since_ms: int,
    ) -> tuple[PartitionLag, ...]:
        """Return the lag of each partition, and call `failed` if the age of a record is not known.

        Changes that were not in Kafka just before the call were captured at `captured_since_ms` or
        later. This bound is needed because, after an outage of the relay, a new record may contain
        an old change.

        Raise Retryable if Kafka does not return the offsets. After the first record that Kafka does
        not return, no other record is read, because each of these reads may wait for a timeout.
        """
        ages = _Ages(self._watermarks)
        sources = self._sources()
        found_topics = {source.topic for source in sources}
        self.missing = self._missing(found_topics, {source.topic for source in positions})
        ids = {name: self._topics.topic_id(name) for name in found_topics}
        found = tuple(
            with_horizon(
                self._lag(
                    source, positions.get(source), ids[source.topic], ages, captured_since_ms
                ),
                self._retention.seconds(source.topic),
                self._marker_days,
            )
            for source in sources
        )
        if ages.error and any(lag.seconds is None for lag in found):
            failed(ages.error)
        self.abandoned = self._abandoned(positions)
        return found

    def _missing(self, found: Collection[str], read: set[str]) -> tuple[str, ...]:
        """Return the missing topics, except those of models that have had no event yet."""
        elsewhere = bool(read) and read.isdisjoint(self._names)
        return tuple(
            name for name in self._names if name not in found and (elsewhere or name in read)
        )

    def _abandoned(self, positions: Mapping[TopicPartition, StoredOffset]) -> tuple[str, ...]:
        captured = {*self._names, *(capture.topic for capture in registry.all())}
        old = sorted({source.topic for source in positions} - captured)
        if monotonic() < self._old_due:
            return self.abandoned
        try:
            topics = (name for name in old if not is_canary_topic(name))
            return tuple(name for name in topics if self._is_unread(name, positions))
        except Retryable:
            self._old_due = monotonic() + _OLD_TOPICS_SECONDS
            return self.abandoned

    def _is_unread(self, topic: str, positions: Mapping[TopicPartition, StoredOffset]) -> bool:
        numbers = self._topics.partitions(topic)
        topic_id = self._topics.topic_id(topic) if numbers else ""
        for source in (TopicPartition(topic, number) for number in numbers):
            first, end = self._watermarks.of(source)
            stored = positions.get(source)
            # The topic may have been recreated by a relay that found an old outbox row.
            applied = stored.next_offset if stored and stored.is_of(topic_id) else first
            if max(first, applied) < end:
                return True
        return False

    def after_commits(self) -> int:
        """Count the records after the offsets committed in Kafka, which may be a second old.

        If an offset is not in its partition, because Kafka has lost records or the topic was
        recreated, all records of the partition count.
        """
        sources = self._sources()
        committed = self._watermarks.committed(sources)
        marks = {source: self._watermarks.of(source) for source in sources}
        counted = 0
        for source, (first, end) in marks.items():
            position = committed.get(source, first)
            counted += end - (position if first <= position <= end else first)
        return counted

    def published_since(self, lags: Iterable[PartitionLag]) -> int:
        """Return how many records were published since `lags` were read."""
        return sum(
            self._watermarks.of(TopicPartition(lag.topic, lag.partition))[1] - lag.end
            for lag in lags
        )

    def _sources(self) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number)
            for topic in self._names
            for number in self._topics.partitions(topic)
        ]

    def _lag(
        self,
        source: TopicPartition,
        stored: StoredOffset | None,
        topic_id: str,
        ages: "_Ages",
        began_ms: int,
    ) -> PartitionLag:
        first, end = self._watermarks.of(source)
        last = self._last.get(source)
        # The offsets of a topic say nothing about a new topic of the same name.
        recreated = stored is not None and not stored.is_of(topic_id)
        lost = stored is not None and (recreated or not first <= stored.next_offset <= end)
        position = first if lost or stored is None else stored.next_offset
        reading = reading_of(position, end, began_ms, last)
        seconds: float | None = 0.0
        if end > position:
            reading.oldest_ms, seconds = ages.of(source, reading, last)
        self._last[source] = reading
        return PartitionLag(
            topic=source.topic,
            partition=source.partition,
            records=end - position,
            end=end,
            seconds=seconds,
            lost=lost,
            recreated=recreated,
        )


class _Ages:
    """Reads the age of the first unapplied record of partitions, for one reading."""

    def __init__(self, watermarks: Watermarks) -> None:
        self._watermarks = watermarks
        self.error: Retryable | None = None
        """Why Kafka did not return a record; None if it returned all of them."""

    def of(
        self, source: TopicPartition, reading: Reading, last: Reading | None
    ) -> tuple[int | None, float | None]:
        """Return the time and the age of the first unapplied record; None if not known.

        The age is 0 if Kafka has removed all records from the position on.
        """
        try:
            if self.error is None:
                found = self._watermarks.timestamp_ms(source, reading.position)
                found = None if found is None else reading.within_bounds(found, last)
                return found, 0.0 if found is None else age(found)
        except Retryable as error:
            self.error = error
        limit = last.oldest_at(reading.position) if last else None
        return limit, None if limit is None else age(limit)


def with_horizon(lag: PartitionLag, kept_seconds: float | None, marker_days: int) -> PartitionLag:
    """Add the time until Kafka or MongoDB forgets what the first unapplied record needs.

    `kept_seconds` is how long Kafka keeps records; None if that is unlimited or unknown. The first
    unapplied record is the oldest. If all records are applied, the next new record counts instead.
    """
    return replace(
        lag,
        seconds_to_loss=0.0 if lag.lost else _left(kept_seconds, lag.seconds),
        seconds_to_marker_expiry=_left(marker_days * _DAY_SECONDS, lag.seconds),
    )


def _left(kept_seconds: float | None, age: float | None) -> float | None:
    return None if kept_seconds is None or age is None else max(kept_seconds - age, 0.0)
