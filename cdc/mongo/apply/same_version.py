"""Compares events that have the same version; pure functions without I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

from cdc.errors import Rejected
from cdc.mongo.content import as_stored
from cdc.mongo.plan import Delivered, Document, Identity, Plan, RowKey
from cdc.wire.event import Version

_Content = tuple[Any, Any, Any, Any]


def refuse_other_events(
    events: Iterable[Delivered], past: Iterable[Document], planned: Plan
) -> list[Delivered]:
    """Raise Rejected if an event would be dropped as a duplicate of a different event.

    The different event is in `events`, or its history document is in `past`. If the two
    events belong to different rows and the later one is written, no change is lost: the later one
    is returned instead.
    """
    known: dict[Version, _Content] = {}
    for item in past:
        version = Version(item["_id"]["epoch"], item["_id"]["outbox_id"])
        known[version] = (item.get("table"), item.get("key"), item.get("op"), item.get("after"))
    written, reused = _written(planned), list[Delivered]()
    for delivered in events:
        event = delivered.event
        # The time is not compared: a delete that was read from its tombstone has a different time.
        content = (event.table, event.key, event.op.value, event.after)
        first = known.setdefault(event.version, content)
        if not _stored_apart(first, content):
            continue
        row = (event.table, event.key)
        if first[:2] == row or (row, event.version) not in written:
            raise _reused(event.version)
        reused.append(delivered)
    return reused


def _written(planned: Plan) -> set[tuple[RowKey, Version]]:
    """Return the rows that a plan writes, with their new versions."""
    return {
        ((table, item["_id"]), Version(item["_epoch"], item["_version"]))
        for table, writes in planned.writes.items()
        for item in (*writes.inserts, *writes.replaces, *writes.markers)
    }


def refuse_other_content(
    events: Iterable[Delivered], documents: Mapping[Identity, Document]
) -> None:
    """Raise Rejected if a document has the version of an event but different content.

    Columns that only the event or only the document has are ignored, because columns may have been
    added or removed since.
    """
    for delivered in events:
        event, held = delivered.event, documents.get(delivered.event.key)
        version = (event.version.epoch, event.version.outbox_id)
        if held is None or (held.get("_epoch"), held.get("_version")) != version:
            continue
        ours = delivered.document
        if ours is None or any(
            _differs(value, ours[name], held[name])
            for name, value in (event.after or {}).items()
            if name in ours and name in held
        ):
            raise _reused(event.version)


def _differs(sent: Any, ours: Any, held: Any) -> bool:
    """Return whether two values differ; two nulls are equal even if null is no longer allowed."""
    return _stored_apart(ours, held) and not (sent is None and held is None)


def _stored_apart(one: Any, other: Any) -> bool:
    """Return whether two values differ after MongoDB has stored both."""
    return bool(one != other and as_stored(one) != as_stored(other))


def _reused(version: Version) -> Rejected:
    return Rejected(
        f"Version {version.epoch}.{version.outbox_id} has been applied with different content: the "
        "database has reused an outbox id. Replay this dead letter, then run "
        "`manage.py reconcile --repair`."
    )
