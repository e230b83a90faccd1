"""Reads the outbox as the messages that are published from it."""

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
    """The parts of an event that tests compare: the operation and both images."""

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
    """Return the events in the outbox, in order, without the member `source`."""
    values = [envelope(record) for record in records(using=using)]
    return [Event(value["op"], value["before"], value["after"]) for value in values]


def forget(*, using: str = "default") -> None:
    OutboxRecord.objects.using(using).all().delete()


def replay(found: list[Event], key: str = "id") -> dict[Any, JsonRow]:
    """Apply the events in order, and return the resulting rows by key.

    Fail if the `before` of an event is not the row that results from the previous events.
    """
    table: dict[Any, JsonRow] = {}
    for number, event in enumerate(found):
        identity = event.row[key]
        assert table.get(identity) == event.before, f"event {number}: {event}"
        table[identity] = event.row
        if event.after is None:
            del table[identity]
    return table
