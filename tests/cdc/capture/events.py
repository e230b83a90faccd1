"""The rows of the outbox, decoded as the messages that they become."""

import json
from dataclasses import dataclass
from typing import Any

from cdc.conf import cdc_settings
from cdc.models import OutboxRecord
from cdc.wire.event import Version
from cdc.wire.message import encode_value

JsonRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """An event as tests compare it: the operation and both rows."""

    op: str
    before: JsonRow | None
    after: JsonRow | None

    @property
    def row(self) -> JsonRow:
        return self.after or self.before or {}


def created(after: JsonRow) -> Event:
    return Event("c", None, after)


def updated(before: JsonRow, after: JsonRow) -> Event:
    return Event("u", before, after)


def deleted(before: JsonRow) -> Event:
    return Event("d", before, None)


def records(*, using: str = "default") -> list[OutboxRecord]:
    return list(OutboxRecord.objects.using(using).order_by("id"))


def envelope(record: OutboxRecord) -> dict[str, Any]:
    """Return the value of the record's message."""
    version, connector = Version(record.epoch, record.id), cdc_settings().connector
    value: dict[str, Any] = json.loads(encode_value(record, version, connector))
    return value


def events(*, using: str = "default") -> list[Event]:
    """Return the events in the outbox, without their source."""
    values = [envelope(record) for record in records(using=using)]
    return [Event(value["op"], value["before"], value["after"]) for value in values]


def forget(*, using: str = "default") -> None:
    OutboxRecord.objects.using(using).all().delete()


def replay(found: list[Event], key: str = "id") -> dict[Any, JsonRow]:
    """Apply the events in order and return the resulting table.

    Each `before` must equal the row as the previous events left it.
    """
    table: dict[Any, JsonRow] = {}
    for number, event in enumerate(found):
        identity = event.row[key]
        assert table.get(identity) == event.before, f"event {number}: {event}"
        table[identity] = event.row
        if event.after is None:
            del table[identity]
    return table
