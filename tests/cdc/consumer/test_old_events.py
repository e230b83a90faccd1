"""Only the rows of events that are older than any delete marker are looked up in the database."""

from collections.abc import Sequence
from dataclasses import replace

from cdc.consumer.old_events import OldEvents
from cdc.testing.twins import FakeClock, MemoryRows
from cdc.wire.event import ChangeEvent
from tests.support.builders import TABLE, change, delivered

DAYS = 7
NOW = FakeClock(now=1_800_000_000)
MARKERS_EXPIRE_MS = (NOW.now - DAYS * 86_400 + 7_200) * 1000
"""Events from before this time are looked up. It allows for clocks that differ by an hour: those of
the consumer and MongoDB, and those of the application and the consumer."""


def at(event: ChangeEvent, ts_ms: float) -> ChangeEvent:
    return replace(event, ts_ms=int(ts_ms))


def deleted_rows(*events: ChangeEvent) -> frozenset[tuple[str, int | str]]:
    rows = MemoryRows(deleted={1})
    return OldEvents(rows, NOW, DAYS).deleted_rows([delivered(event) for event in events])


def test_the_deleted_rows_of_old_events_are_found() -> None:
    old = [at(change("c", key, key), MARKERS_EXPIRE_MS - 1) for key in (1, 2)]
    assert deleted_rows(*old) == {(TABLE, 1)}


def test_an_event_is_looked_up_before_a_slow_consumers_marker_expires() -> None:
    """The consumer's clock is an hour behind the clocks of MongoDB and the application."""
    slow = FakeClock(now=NOW.now - 3_600)
    expires_at = slow.now + DAYS * 86_400  # by MongoDB's clock
    event = at(change("c", 1, 1), NOW.now * 1000)
    when_it_expires = FakeClock(now=expires_at - 3_600 + 1)

    old = OldEvents(MemoryRows(deleted={1}), when_it_expires, DAYS)

    assert old.deleted_rows([delivered(event)]) == {(TABLE, 1)}


def test_a_young_event_is_not_looked_up() -> None:
    assert deleted_rows(at(change("c", 1, 1), MARKERS_EXPIRE_MS)) == frozenset()


def test_a_delete_is_not_looked_up() -> None:
    assert deleted_rows(at(change("d", 1, 1), MARKERS_EXPIRE_MS - 1)) == frozenset()


def test_only_the_newest_event_of_a_row_counts() -> None:
    old = at(change("c", 1, 1), MARKERS_EXPIRE_MS - 1)
    assert deleted_rows(old, at(change("u", 1, 2), MARKERS_EXPIRE_MS)) == frozenset()


class Asked(MemoryRows):
    """Source rows that record the table and the keys of each query."""

    def __init__(self) -> None:
        super().__init__(deleted={1, 2})
        self.asked: list[tuple[str, list[int | str]]] = []

    def missing(self, table: str, keys: Sequence[int | str]) -> set[int | str]:
        self.asked.append((table, list(keys)))
        return super().missing(table, keys)


def test_all_old_events_of_a_table_are_looked_up_at_once() -> None:
    rows = Asked()
    ts_ms = MARKERS_EXPIRE_MS - 1
    old = [at(change("c", key, key), ts_ms) for key in (2, 1, 3)]
    other = replace(at(change("u", 1, 9), ts_ms), table="other")
    young = at(change("c", 4, 4), MARKERS_EXPIRE_MS)
    batch = [delivered(event) for event in (*old, young)]
    batch.append(replace(batch[0], event=other))

    found = OldEvents(rows, NOW, DAYS).deleted_rows(batch)

    assert sorted(rows.asked) == [("other", [1]), (TABLE, [1, 2, 3])]
    assert found == {("other", 1), (TABLE, 1), (TABLE, 2)}
