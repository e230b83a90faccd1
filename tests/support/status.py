"""Statuses, for tests of pages and commands that show them."""

from typing import Any

from cdc.outbox.table import Depth
from cdc.status.facts import PartitionLag, TableCount
from cdc.status.verdict import Status


def lag(records: int, seconds: float, partition: int = 0) -> PartitionLag:
    return PartitionLag(topic="story-events", partition=partition, records=records, seconds=seconds)


def healthy_status(**changes: Any) -> Status:
    """Return the status of an idle pipeline, with `changes` of its fields."""
    fields: dict[str, Any] = {
        "outbox": Depth(rows=0, oldest_ms=None),
        "outbox_seconds": 0.0,
        "lags": (lag(0, 0.0),),
        "tables": (TableCount(table="stories_story", rows=3, documents={"a": 3, "b": 3}),),
        "dead_letters": 0,
        "counters": {},
        "problems": (),
        "gaps": (),
        "relay": "host:1",
        "consumers": 2,
    }
    return Status(**{**fields, **changes})


def busy_status(**changes: Any) -> Status:
    """Return a status with queued rows and dead letters, with `changes` of its fields."""
    fields: dict[str, Any] = {
        "outbox": Depth(rows=3, oldest_ms=0),
        "outbox_seconds": 1.25,
        "lags": (lag(17, 2.0, partition=4),),
        "tables": (TableCount(table="stories_story", rows=41, documents={"copy_1": 42}),),
        "dead_letters": 5,
        "counters": {},
        "problems": (),
        "gaps": (),
    }
    return Status(**{**fields, **changes})
