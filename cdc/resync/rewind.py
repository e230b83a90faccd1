"""Moves the consumer's positions. Events that are read again are not applied again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured
from cdc.kafka.topics import Topics
from cdc.kafka.watermarks import Watermarks
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions, StoredOffset
from cdc.operator_log import log_command
from cdc.wire.moments import milliseconds
from cdc.wire.records import TopicPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A position that was moved."""

    source: TopicPartition
    before: int | None
    after: int


Target = Callable[[Watermarks, TopicPartition], int]
"""Returns the offset at which a partition resumes."""


def earliest(marks: Watermarks, source: TopicPartition) -> int:
    """Return the first offset that Kafka has."""
    return marks.of(source)[0]


def at_offset(offset: int) -> Target:
    """Return a target that selects `offset`; it raises Misconfigured if Kafka lacks the offset."""

    def target(marks: Watermarks, source: TopicPartition) -> int:
        first, end = marks.of(source)
        if not first <= offset <= end:
            raise Misconfigured(
                f"Partition {source.partition} of {source.topic} has no offset {offset}: use an "
                f"offset from {first} to {end}."
            )
        return offset

    return target


def at_time(moment: datetime) -> Target:
    """Return a target that selects the first record at or after `moment`.

    Raise Misconfigured if Kafka cannot look up `moment`.
    """
    since_ms = milliseconds(moment)
    if since_ms is None:
        raise Misconfigured(f"The time is {moment.isoformat()}: use a time between 1970 and 9999.")
    return lambda marks, source: marks.since(source, since_ms)


def rewind(
    settings: CdcSettings, topics: Sequence[str], target: Target, partition: int | None, who: str
) -> list[Moved]:
    """Move the positions of all partitions of `topics`, or only those of `partition`.

    All targets are checked before the first position is moved.
    """
    metadata, marks = Topics(settings), Watermarks(settings)
    positions = Positions(connect(settings), settings)
    sources = [
        TopicPartition(topic, number)
        for topic in topics
        for number in metadata.partitions(topic)
        if partition in {None, number}
    ]
    if not sources:
        raise Misconfigured(_no_source(topics, partition))
    # Read the positions before the ends: positions that are read later may be beyond those ends.
    stored = positions.stored()
    lost = {source: stored[source] for source in sources if _is_lost(marks, source, stored)}
    firsts = {source: marks.of(source)[0] for source in sources}
    targets = {source: target(marks, source) for source in sources}
    moves = (f"{each.topic} {each.partition} to {to}" for each, to in targets.items())
    log_command("rewind", f"{settings.group}: {', '.join(moves)}", using=DEFAULT_DB_ALIAS)
    for source, offset in targets.items():
        positions.move(
            source, offset, f"rewind by {who}", first=firsts[source], lost=lost.get(source)
        )
    before = {source: held.next_offset for source, held in stored.items()}
    return [
        Moved(source=source, before=before.get(source), after=offset)
        for source, offset in targets.items()
    ]


def _is_lost(
    marks: Watermarks, source: TopicPartition, positions: Mapping[TopicPartition, StoredOffset]
) -> bool:
    """Return whether Kafka has lost records before the position of the partition."""
    held = positions.get(source)
    return held is not None and marks.lost(source, held.next_offset, held.leader_epoch)


def _no_source(topics: Sequence[str], partition: int | None) -> str:
    """Return why there is no partition to move."""
    if not topics:
        return "No model is captured, so no position can be moved: register a model in a cdc.py."
    names = " or ".join(topics)
    if partition is None:
        return f"Kafka has no topic {names}: check KAFKA_TOPIC and KAFKA_BOOTSTRAP_SERVERS."
    return f"There is no partition {partition} of {names}: see `manage.py cdc_status`."
