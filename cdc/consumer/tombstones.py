"""Converts tombstones to deletes: after compaction, a topic may contain only the tombstone."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from cdc.mongo.plan import Delivered, Route, RowKey
from cdc.runtime import telemetry
from cdc.wire.event import ChangeEvent, Version, decode_key, deletion, tombstone_version
from cdc.wire.records import Record, TopicPartition

Change = tuple[TopicPartition, RowKey, Version]
"""Identifies a change; a delete and its tombstone have the same value."""
_log = logging.getLogger("cdc.consumer")


class Tombstones:
    """Converts tombstones to deletes.

    The headers of a tombstone contain the version but not the table. The tombstone belongs to the
    captured table with the same topic and key column. If there is no version, or not exactly one
    such table, the tombstone is ignored, and a warning is logged once for each topic and reason.
    """

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._tables: dict[tuple[str, str], list[str]] = {}
        for table, route in routes.items():
            self._tables.setdefault((route.topic, route.key), []).append(table)
        self._logged: set[tuple[str, str]] = set()
        self._applied: dict[TopicPartition, Change] = {}
        """The last applied delete of each partition."""

    def event(self, record: Record) -> ChangeEvent | None:
        """Return the delete that belongs to a tombstone; None if the tombstone is ignored.

        Raise Rejected if the version or the key is malformed.
        """
        version = tombstone_version(record.headers)
        if version is None:
            self._ignore(record, "its headers contain no version")
            return None
        column, key = decode_key(record.key)
        tables = self._tables.get((record.source.topic, column), [])
        if len(tables) != 1:
            self._ignore(record, f"{len(tables)} captured tables have its topic and key column")
            return None
        return deletion(tables[0], column, key, version, record.timestamp_ms)

    def without_repeats(self, batch: Sequence[Delivered]) -> list[Delivered]:
        """Return the batch without tombstones whose deletes are in it or were just applied."""
        known = {_change(each) for each in batch if not each.tombstone}
        known.update(self._applied.values())
        return [each for each in batch if not (each.tombstone and _change(each) in known)]

    def applied(self, batch: Iterable[Delivered]) -> None:
        """Remember the last delete of each partition, because its tombstone may come next."""
        for each in batch:
            if each.event.deletes:
                self._applied[each.source] = _change(each)

    def forget(self, source: TopicPartition) -> None:
        """Forget the partition's last delete: the replica or the position may have changed."""
        self._applied.pop(source, None)

    def _ignore(self, record: Record, reason: str) -> None:
        topic = record.source.topic
        if (topic, reason) not in self._logged:
            self._logged.add((topic, reason))
            telemetry.log(
                _log,
                logging.WARNING,
                telemetry.TOMBSTONE_IGNORED,
                topic=topic,
                partition=record.source.partition,
                offset=record.offset,
                reason=reason,
            )


def _change(delivered: Delivered) -> Change:
    event = delivered.event
    return delivered.source, (event.table, event.key), event.version
