"""Builders of events and records of stories."""

from dataclasses import replace
from typing import Any

from cdc.field_columns import columns_of
from cdc.mongo.plan import Delivered, Route, deliver
from cdc.testing.feed import record_of
from cdc.wire.event import ChangeEvent, Operation, Version
from cdc.wire.records import Outgoing, TopicPartition
from stories.models import Story

TABLE = "stories_story"
COLLECTIONS = ("stories_story", "stories_story_1", "stories_story_2")
ROUTE = Route(
    table=TABLE,
    key="id",
    columns=columns_of(Story),
    collections=COLLECTIONS,
    topic="story-events",
)
ROUTES = {TABLE: ROUTE}
SOURCE = TopicPartition("story-events", 0)


def wire_row(key: int, title: str = "a story") -> dict[str, Any]:
    """Return a story's row as JSON values."""
    return {
        "id": key,
        "href": "http://example.org/a",
        "title": title,
        "comments": 3,
        "diggs": 4,
        "container": {"name": "Offbeat", "short_name": "offbeat"},
        "submit_date": "2010-03-16T20:36:41.000Z",
        "promote_date": None,
        "topic": {"name": "People"},
        "idJSON": str(key),
        "media": "news",
        "description": "☃ and 😀",
        "link": "http://example.org/b",
        "user": {"name": "somebody", "registered": 1141570067},
        "status": "popular",
        "shorturl": [{"short_url": "http://example.org/c", "view_count": 7}],
        "thumbnail": None,
        "submitted_by_id": None,
    }


def change(op: str, key: int, outbox_id: int, *, epoch: int = 1, title: str = "") -> ChangeEvent:
    """Return a change of story `key`. By default, the title shows the version."""
    row = wire_row(key, title or f"version {epoch}.{outbox_id}")
    return ChangeEvent(
        op=Operation(op),
        table=TABLE,
        key_column="id",
        key=key,
        before=None if op in "cr" else row,
        after=None if op == "d" else row,
        version=Version(epoch, outbox_id),
        ts_ms=1_764_000_000_000 + outbox_id,
        db="storyfeed",
        user="7",
    )


def delivered(event: ChangeEvent, offset: int = 0, source: TopicPartition = SOURCE) -> Delivered:
    """Return `event` as the consumer reads it from Kafka."""
    return deliver(event, ROUTE, source, offset)


def outgoing(event: ChangeEvent, topic: str) -> Outgoing:
    """Return the Kafka record of `event`."""
    return record_of(event, topic)


def tombstone(event: ChangeEvent, topic: str) -> Outgoing:
    """Return the tombstone of `event`, which is a delete."""
    return replace(outgoing(event, topic), value=None)
