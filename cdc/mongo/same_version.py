"""Compares events that have the same version; pure functions without I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

from cdc.errors import Rejected
from cdc.mongo.plan import Delivered, Document, Identity, Plan, RowKey
from cdc.wire.event import Version

_Content = tuple[Any, Any, Any, Any]


def refuse_other_events(
    events: Iterable[Delivered], past: Iterable[Document], planned: Plan
) -> list[Version]:
    """Raise Rejected if an event has the version of a different event and is not written.

    The other one is among `events` or has a history document in `past`. Returns the versions
    that another row has used and under which an event is written: such a change is not lost.
    """
    known: dict[Version, _Content] = {}
    for item in past:
        version = Version(item["_id"]["epoch"], item["_id"]["outbox_id"])
        known[version] = (item.get("table"), item.get("key"), item.get("op"), item.get("after"))
    written, reused = _written(planned), []
    for delivered in events:
        event = delivered.event
        # The time is left out, because a delete that was read from its tombstone has another time.
        content = (event.table, event.key, event.op.value, event.after)
        first = known.setdefault(event.version, content)
        if first == content:
            continue
        row = (event.table, event.key)
        if first[:2] == row or (row, event.version) not in written:
            raise _reused(event.version)
        reused.append(event.version)
    return reused


def _written(planned: Plan) -> set[tuple[RowKey, Version]]:
    """Return the rows that a plan writes, with the versions that they get."""
    return {
        ((table, item["_id"]), Version(item["_epoch"], item["_version"]))
        for table, writes in planned.writes.items()
        for item in (*writes.inserts, *writes.replaces, *writes.markers)
    }


def refuse_other_content(
    events: Iterable[Delivered], documents: Mapping[Identity, Document]
) -> None:
    """Raise Rejected if the document of an event's version has another content.

    Columns in only one of them are ignored: they were added or removed since.
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
    """Compare two values; a null that was applied before the column refused null is the same."""
    return bool(ours != held) and not (sent is None and held is None)


def _reused(version: Version) -> Rejected:
    return Rejected(
        f"Version {version.epoch}.{version.outbox_id} has been applied with other content: the "
        "database assigned an outbox id again. Replay this letter, then run "
        "`manage.py reconcile --repair`."
    )
