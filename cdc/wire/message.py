"""Builds the Kafka message of a captured change. No other module builds messages."""

from typing import Protocol

import orjson

from cdc import __version__
from cdc.errors import Refused
from cdc.wire.event import Operation, Row, Version
from cdc.wire.records import Outgoing

_HIGHEST = Version(2**63 - 1, 2**63 - 1)


class CapturedChange(Protocol):
    """A captured change, with the columns of the outbox table."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> str:
        """The key as `encode_key` returns it."""

    @property
    def op(self) -> str: ...
    @property
    def before(self) -> bytes | memoryview | None:
        """The row as `encode_row` returns it."""

    @property
    def after(self) -> bytes | memoryview | None:
        """The row as `encode_row` returns it."""

    @property
    def ts_ms(self) -> int: ...
    @property
    def db(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def traceparent(self) -> str: ...


def encode_key(column: str, value: int | str) -> str:
    """Return the Kafka key, such as `{"id":17}`; one value always has the same bytes."""
    return orjson.dumps({column: value}).decode()


def encode_row(row: Row | None) -> bytes | None:
    """Return a row as JSON; raise Refused if JSON cannot represent it."""
    if row is None:
        return None
    try:
        return orjson.dumps(row)
    except orjson.JSONEncodeError as error:
        raise Refused(f"The row cannot be written as JSON ({error}): correct its values.") from None


def encode_value(change: CapturedChange, version: Version, connector: str) -> bytes:
    """Return the value of a change's message: JSON in Debezium's envelope format."""
    return orjson.dumps(
        {
            "before": _fragment(change.before),
            "after": _fragment(change.after),
            "op": change.op,
            "ts_ms": change.ts_ms,
            "source": {
                "version": __version__,
                "connector": connector,
                "name": connector,
                "ts_ms": change.ts_ms,
                "snapshot": "true" if change.op == Operation.READ else "false",
                "db": change.db,
                "table": change.table,
                "sequence": f'["{version.epoch}","{version.outbox_id}"]',
                "user": change.user,
            },
            "transaction": None,
        }
    )


def largest_size(change: CapturedChange, connector: str) -> int:
    """Return the size of the message's value in bytes, with the longest possible version."""
    return len(encode_value(change, _HIGHEST, connector))


def encode(change: CapturedChange, version: Version, connector: str) -> list[Outgoing]:
    """Return the records of a change: its message, and a tombstone after a delete.

    The tombstone lets Kafka's compaction remove the key from the topic.
    """
    message = _record(change, version, encode_value(change, version, connector))
    if change.op != Operation.DELETE:
        return [message]
    return [message, _record(change, version, None)]


def _record(change: CapturedChange, version: Version, value: bytes | None) -> Outgoing:
    headers = [
        ("outbox_id", str(version.outbox_id).encode()),
        ("epoch", str(version.epoch).encode()),
    ]
    if change.traceparent:
        headers.append(("traceparent", change.traceparent.encode()))
    return Outgoing(
        topic=change.topic,
        key=change.key.encode(),
        value=value,
        headers=tuple(headers),
        timestamp_ms=change.ts_ms,
    )


def _fragment(row: bytes | memoryview | None) -> orjson.Fragment | None:
    return None if row is None else orjson.Fragment(bytes(row))
