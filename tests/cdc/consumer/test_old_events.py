"""Only events that are older than any delete marker are looked up in the database."""

from dataclasses import replace

from cdc.consumer.old_events import OldEvents
from cdc.testing.twins import FakeClock, MemoryRows
from cdc.wire.event import ChangeEvent
from tests.support.builders import TABLE, change, delivered

DAYS = 7
NOW = FakeClock(now=1_800_000_000)
MARKERS_EXPIRE_MS = (NOW.now - DAYS * 86_400 + 3_600) * 1000
"""An hour is left for clocks that differ."""


def at(event: ChangeEvent, ts_ms: float) -> ChangeEvent:
    return replace(event, ts_ms=int(ts_ms))


def deleted_rows(*events: ChangeEvent) -> frozenset[tuple[str, int | str]]:
    rows = MemoryRows(deleted={1})
    return OldEvents(rows, NOW, DAYS).deleted_rows([delivered(event) for event in events])


def test_the_deleted_rows_of_old_events_are_found() -> None:
    old = [at(change("c", key, key), MARKERS_EXPIRE_MS - 1) for key in (1, 2)]
    assert deleted_rows(*old) == {(TABLE, 1)}


def test_a_young_event_is_not_looked_up() -> None:
    assert deleted_rows(at(change("c", 1, 1), MARKERS_EXPIRE_MS)) == frozenset()


def test_a_delete_is_not_looked_up() -> None:
    assert deleted_rows(at(change("d", 1, 1), MARKERS_EXPIRE_MS - 1)) == frozenset()


def test_only_the_newest_event_of_a_row_counts() -> None:
    old = at(change("c", 1, 1), MARKERS_EXPIRE_MS - 1)
    assert deleted_rows(old, at(change("u", 1, 2), MARKERS_EXPIRE_MS)) == frozenset()
