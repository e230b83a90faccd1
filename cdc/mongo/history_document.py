"""Builds the history document of an event; pure functions without I/O."""

from datetime import UTC, datetime

from cdc.errors import Rejected
from cdc.mongo.plan import Delivered, Document


def history_document(delivered: Delivered, applied_at: datetime) -> Document:
    """Return the history document of an event.

    `at` is the time of the capture, by the application's clock. `applied_at` is the time of the
    write to the replica, by the consumer's clock.
    """
    return {**event_document(delivered), "applied_at": applied_at}


def event_document(delivered: Delivered) -> Document:
    """Return the history document of an event, without `applied_at`."""
    event = delivered.event
    return {
        "_id": {"epoch": event.version.epoch, "outbox_id": event.version.outbox_id},
        "op": event.op.value,
        "table": event.table,
        "key": event.key,
        "before": event.before,
        "after": event.after,
        "user": event.user,
        "at": _moment(event.ts_ms),
        "topic": delivered.source.topic,
        "partition": delivered.source.partition,
        "offset": delivered.offset,
    }


def _moment(ts_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        raise Rejected(f"ts_ms is {ts_ms}, not a time in milliseconds since 1970.") from None
