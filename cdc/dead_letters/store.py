"""Stores each dead letter once: a message that can never be applied, or a rejected outbox row."""

import orjson
from django.db import Error, connections

from cdc.errors import Fatal, Retryable
from cdc.models import DeadLetter, OutboxRecord
from cdc.printable import printable
from cdc.runtime.database import drop_replaced_file, retryable_errors
from cdc.wire.records import Outgoing, Record

RELAY_GROUP = "relay"
"""The `group` of a dead letter that is a rejected outbox row."""
LARGEST_KEPT = 1_048_576
"""The maximum number of bytes of a key or a value that are kept.

The value is kept only for inspection: a replay does not use it. A key and a value of this size fit
into MySQL's default `max_allowed_packet`, even if every byte is escaped.
"""
_LONGEST_REASON = 2_000
_LONGEST_TEXT = 200


class DeadLetterStore:
    """Stores the dead letters of one consumer group."""

    def __init__(self, group: str, using: str) -> None:
        self._group = group
        self._using = using

    def store(self, record: Record, topic_id: str, reason: str) -> bool:
        """Store a message; return False if the message is already stored.

        Raise Fatal if the message cannot be stored. The consumer then stops, because the position
        must not move past a message that is neither applied nor stored.
        """
        try:
            return self._store(record, topic_id, reason)
        except (Error, Retryable):
            # Dead letters are rare: the server may have closed the idle connection.
            connections[self._using].close()
        try:
            return self._store(record, topic_id, reason)
        except (Error, Retryable) as error:
            connections[self._using].close()
            raise Fatal(
                f"The message at {record.source.topic} {record.source.partition}:{record.offset} "
                f"can be neither applied nor stored as a dead letter ({error}): "
                "check that the database is up and migrated."
            ) from error

    def _store(self, record: Record, topic_id: str, reason: str) -> bool:
        drop_replaced_file(self._using)
        letter = DeadLetter(
            group=self._group,
            topic=record.source.topic,
            topic_id=topic_id,
            partition=record.source.partition,
            offset=record.offset,
            table=_table(record.value),
            reason=reason,
        )
        return _store(letter, record.key, record.value, using=self._using)


class RejectedRowStore:
    """Stores the outbox rows that Kafka rejected. Raises Retryable if the database fails."""

    def __init__(self, using: str) -> None:
        self._using = using

    def store(self, row: OutboxRecord, epoch: int, sent: Outgoing, reason: str) -> None:
        """Store a row once, with the message that was sent for it in this epoch."""
        letter = DeadLetter(
            group=RELAY_GROUP,
            topic=row.topic,
            # In a different epoch, the same id belongs to a different row.
            topic_id=str(epoch or ""),
            partition=-1,
            offset=row.id,
            table=row.table,
            reason=reason,
        )
        with retryable_errors(self._using):
            _store(letter, sent.key, sent.value, using=self._using)


def _store(letter: DeadLetter, key: bytes | None, value: bytes | None, *, using: str) -> bool:
    """Insert a dead letter, truncated to the column sizes; return False if it already exists."""
    _, created = DeadLetter.objects.using(using).get_or_create(
        group=letter.group,
        topic=letter.topic,
        topic_id=letter.topic_id,
        partition=letter.partition,
        offset=letter.offset,
        defaults={
            "table": printable(letter.table, _LONGEST_TEXT),
            "key_text": printable(key, _LONGEST_TEXT),
            "key": _cut(key),
            "value": _cut(value),
            "size": None if value is None else len(value),
            "reason": printable(letter.reason, _LONGEST_REASON),
        },
    )
    return created


def _table(value: bytes | None) -> str:
    """Return the message's `source.table`, even if the rest is malformed; empty if unknown."""
    try:
        message = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return ""
    source = message.get("source") if isinstance(message, dict) else None
    table = source.get("table") if isinstance(source, dict) else None
    return table if isinstance(table, str) else ""


def _cut(data: bytes | None) -> bytes | None:
    return None if data is None else data[:LARGEST_KEPT]
