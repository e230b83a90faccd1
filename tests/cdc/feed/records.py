"""Builders of records and changes for tests of the live feed."""

from dataclasses import replace
from typing import Any

from cdc.feed.rendering import RenderedChange, Renderer
from cdc.registry import registry
from cdc.wire.event import ChangeEvent, Operation
from cdc.wire.records import Record, TopicPartition
from tests.support.builders import change, outgoing, wire_row

TOPIC = "story-events"
RENDERER = Renderer(registry)


def record(event: ChangeEvent, partition: int = 0, offset: int = 0) -> Record:
    sent = outgoing(event, TOPIC)
    source = TopicPartition(TOPIC, partition)
    return Record(source=source, offset=offset, key=sent.key, value=sent.value)


def update(key: int, outbox_id: int, **after: Any) -> ChangeEvent:
    """Return an update of a story that changes the columns in `after`."""
    event = change("u", key, outbox_id)
    row = wire_row(key)
    return replace(event, op=Operation.UPDATE, before=row, after={**row, **after})


def rendered(event: ChangeEvent, partition: int = 0, offset: int = 0) -> RenderedChange:
    found = RENDERER.render(record(event, partition, offset))
    assert found is not None
    return found
