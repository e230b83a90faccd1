"""The plan of a batch: it writes the highest version of each story, and no stale event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import Rejected
from cdc.field_columns import columns_of
from cdc.mongo.plan import (
    Conflict,
    Identity,
    Known,
    content,
    deliver,
    keys_of,
    newest_by_row,
    plan,
    written,
)
from cdc.testing.twins import MemoryReplica, MemoryStore
from cdc.wire.event import ChangeEvent, Version
from tests.support.builders import COLLECTIONS, ROUTE, ROUTES, SOURCE, TABLE, change, delivered
from tests.support.toy.models import Sample

Versions = dict[tuple[str, Identity], Known]


def test_a_new_story_is_inserted_with_its_marker() -> None:
    writes = plan([delivered(change("c", 17, 5))], {}).writes[TABLE]

    assert [item["_id"] for item in writes.inserts] == [17]
    assert (writes.inserts[0]["_epoch"], writes.inserts[0]["_version"]) == (1, 5)
    assert [item["_id"] for item in writes.markers] == [17]
    assert not writes.replaces
    assert not writes.deletes


def test_a_live_story_is_replaced_without_writing_its_marker() -> None:
    known: Versions = {(TABLE, 17): Known(version=Version(1, 4), live=True)}

    writes = plan([delivered(change("u", 17, 5))], known).writes[TABLE]

    assert [item["title"] for item in writes.replaces] == ["version 1.5"]
    assert not writes.markers


def test_a_delete_writes_its_version_to_the_marker() -> None:
    known: Versions = {(TABLE, 17): Known(version=Version(1, 4), live=True)}

    writes = plan([delivered(change("d", 17, 5))], known).writes[TABLE]

    assert writes.deletes == [17]
    assert [(item["_id"], item["_version"]) for item in writes.markers] == [(17, 5)]


@pytest.mark.parametrize("held", [Version(1, 5), Version(1, 6), Version(2, 1)])
@pytest.mark.parametrize("live", [True, False])
def test_an_event_that_is_not_newer_is_dropped(held: Version, live: bool) -> None:
    known: Versions = {(TABLE, 17): Known(version=held, live=live)}

    planned = plan([delivered(change("u", 17, 5))], known)

    assert not planned.writes
    expected = (1, 0) if held == Version(1, 5) else (0, 1)
    assert (planned.duplicates, planned.stale) == expected


@pytest.mark.parametrize("held", [Version(1, 5), Version(1, 6)])
def test_a_tombstone_is_neither_a_duplicate_nor_stale(held: Version) -> None:
    known: Versions = {(TABLE, 17): Known(version=held, live=False)}

    planned = plan([replace(delivered(change("d", 17, 5)), tombstone=True)], known)

    assert not planned.writes
    assert (planned.duplicates, planned.stale) == (0, 0)


def test_what_a_batch_holds_twice_is_a_duplicate_once() -> None:
    event = delivered(change("u", 17, 5))
    older = delivered(change("c", 17, 4))

    planned = plan([event, older, event], {})

    assert (planned.duplicates, planned.stale) == (1, 0)


def test_all_duplicates_and_stale_events_are_counted() -> None:
    held = {key: Known(version=Version(1, 50 + key), live=True) for key in range(1, 6)}
    known: Versions = {(TABLE, key): version for key, version in held.items()}
    duplicates = [delivered(change("u", key, 50 + key)) for key in (1, 2)]
    stale = [delivered(change("u", key, 40 + key)) for key in (3, 4, 5)]

    planned = plan([*duplicates, *stale, stale[0]], known)

    assert (planned.duplicates, planned.stale) == (1 + 2, 3)


def test_of_one_version_the_first_delivery_counts() -> None:
    event = change("d", 17, 5)
    first, second = delivered(event, offset=3), delivered(event, offset=4)

    assert newest_by_row([first, second]) == [first]


def test_a_row_that_the_database_no_longer_has_is_not_brought_back() -> None:
    gone = {(TABLE, 17)}

    planned = plan([delivered(change("u", 17, 5)), delivered(change("u", 18, 6))], {}, gone)

    assert [item["_id"] for item in planned.writes[TABLE].inserts] == [18]
    assert (planned.duplicates, planned.stale) == (0, 1)


def test_a_newer_event_of_a_row_in_the_replica_is_applied_without_asking_the_database() -> None:
    known: Versions = {(TABLE, 17): Known(version=Version(1, 4), live=True)}

    planned = plan([delivered(change("u", 17, 5))], known, {(TABLE, 17)})

    assert [item["_id"] for item in planned.writes[TABLE].replaces] == [17]
    assert planned.stale == 0


@pytest.mark.parametrize("op", ["c", "d"])
def test_a_deleted_row_has_no_document_to_write_over(op: str) -> None:
    known: Versions = {(TABLE, 17): Known(version=Version(1, 4), live=False)}

    writes = plan([delivered(change(op, 17, 5))], known).writes[TABLE]

    assert [item["_id"] for item in writes.inserts] == [17] * (op == "c")
    assert (writes.replaces, writes.deletes) == ([], [])
    assert [(item["_id"], item["_version"]) for item in writes.markers] == [(17, 5)]


def test_a_marker_has_the_version_and_the_time_of_writing() -> None:
    start = datetime.now(tz=UTC)

    (marker,) = plan([delivered(change("d", 17, 5, epoch=3))], {}).writes[TABLE].markers

    at = marker.pop("at")
    assert marker == {"_id": 17, "_epoch": 3, "_version": 5}
    assert at.utcoffset() == timedelta(0)
    assert start <= at <= datetime.now(tz=UTC)


def test_written_counts_documents_and_no_markers() -> None:
    live = Known(version=Version(1, 1), live=True)
    known: Versions = {(TABLE, key): live for key in (2, 3, 4, 5, 6)}
    events = [change("c", 1, 10), *(change("u", key, 10 + key) for key in (2, 3))]
    events += [change("d", key, 10 + key) for key in (4, 5, 6)]

    planned = plan([delivered(event) for event in events], known)

    assert len(planned.writes[TABLE].markers) == 4
    assert written(planned) == 6


def test_a_later_epoch_wins_over_any_id_of_an_earlier_one() -> None:
    known: Versions = {(TABLE, 17): Known(version=Version(1, 900), live=True)}

    planned = plan([delivered(change("u", 17, 3, epoch=2))], known)

    assert planned.writes[TABLE].replaces[0]["_epoch"] == 2


def test_the_highest_version_counts_and_not_the_last_to_arrive() -> None:
    events = [change("c", 1, 1), change("u", 1, 2), change("u", 1, 3)]

    for order in permutations(events):
        writes = plan([delivered(event) for event in order], {}).writes[TABLE]
        assert [item["title"] for item in writes.inserts] == ["version 1.3"]


def test_each_key_is_looked_up_once_and_in_order() -> None:
    batch = [delivered(change("u", key, number)) for number, key in enumerate([9, 3, 9, 3, 5])]

    assert keys_of(batch) == {TABLE: [3, 5, 9]}


def test_numbers_are_in_order_before_texts() -> None:
    keys: list[Identity] = ["b", 10, "a", 9]
    batch = [
        replace(each, event=replace(each.event, key=key))
        for number, key in enumerate(keys)
        for each in [delivered(change("u", 1, number))]
    ]
    other = replace(batch[0], event=replace(batch[0].event, table="a_table", key=5))

    assert keys_of(batch) == {TABLE: [9, 10, "a", "b"]}
    assert [(each.event.table, each.event.key) for each in newest_by_row([*batch, other])] == [
        ("a_table", 5),
        *((TABLE, key) for key in (9, 10, "a", "b")),
    ]


def test_a_document_has_exactly_the_columns_and_its_version() -> None:
    document = delivered(change("c", 17, 5)).document

    assert document is not None
    names = {column.name for column in ROUTE.columns}
    assert set(document) == names | {"_id", "_epoch", "_version"}
    assert document["submit_date"].isoformat() == "2010-03-16T20:36:41+00:00"


def test_a_value_of_the_wrong_type_is_rejected_with_its_column() -> None:
    event = change("c", 17, 5)
    broken = {**(event.after or {}), "diggs": "many"}

    with pytest.raises(Rejected, match="Column diggs contains 'many', not a 64-bit integer"):
        deliver(
            ChangeEvent(
                op=event.op,
                table=event.table,
                key_column="id",
                key=17,
                before=None,
                after=broken,
                version=event.version,
                ts_ms=event.ts_ms,
            ),
            ROUTE,
            SOURCE,
            0,
        )


def test_a_column_that_the_event_lacks_is_null() -> None:
    event = change("u", 17, 5)
    row = {name: item for name, item in (event.after or {}).items() if name != "thumbnail"}

    document = deliver(replace(event, after=row), ROUTE, SOURCE, 0).document

    assert document is not None
    assert document["thumbnail"] is None


def test_the_key_of_another_column_is_rejected() -> None:
    event = replace(change("u", 17, 5), key_column="k" * 70)

    with pytest.raises(Rejected) as caught:
        deliver(event, ROUTE, SOURCE, 0)

    name = "k" * 60
    expected = f"The message has the key field {name!r}, but the key of {TABLE} is 'id'."
    assert str(caught.value) == expected


def test_a_delete_of_a_key_that_no_row_can_have_is_rejected() -> None:
    with pytest.raises(Rejected, match=r"^Column id contains '17', not a 64-bit integer"):
        deliver(replace(change("d", 17, 5), key="17"), ROUTE, SOURCE, 0)


def test_a_delivery_keeps_its_place_in_kafka() -> None:
    found = deliver(change("d", 17, 5), ROUTE, SOURCE, 12)

    assert (found.source, found.offset, found.document, found.tombstone) == (
        SOURCE,
        12,
        None,
        False,
    )


def test_a_conflict_names_its_reason_and_version() -> None:
    conflict = Conflict("The index refuses it.", Version(1, 5))

    assert (str(conflict), conflict.version) == ("The index refuses it.", Version(1, 5))


SAMPLE = columns_of(Sample)
FULL = {
    "number": 1,
    "day": "2011-01-01",
    "at": "01:02:03",
    "seen": "2011-01-01T00:00:00.000Z",
    "count": 2,
    "weight": 1.5,
    "price": "2.50",
    "code": "00000000-0000-0000-0000-000000000001",
    "shiny": False,
    "words": "b",
    "data": [1],
    "place": 2,
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in FULL.items() if name not in names}


def test_a_row_that_lacks_columns_takes_their_defaults() -> None:
    document = content(1, without("words", "price", "data", "shiny", "seen"), SAMPLE)

    assert set(document) == {*FULL, "_id"}
    assert (document["words"], document["price"], document["data"]) == ("a", "1.50", {})
    assert document["shiny"] is True
    assert document["seen"] == datetime(2010, 3, 16, 20, 36, 41, tzinfo=UTC)


def test_a_row_that_lacks_a_column_without_a_default_gives_a_document_without_it() -> None:
    story = change("u", 17, 5)
    row = {name: value for name, value in (story.after or {}).items() if name != "title"}

    document = delivered(replace(story, after=row)).document

    assert document is not None
    assert "title" not in document
    assert document["diggs"] == 4


def test_what_a_renamed_column_held_is_not_replaced_with_a_default() -> None:
    document = content(1, {**without("words", "place"), "text": "former name"}, SAMPLE)

    assert set(document) == {*without("words", "place"), "_id"}


def test_a_column_that_the_model_no_longer_has_is_ignored() -> None:
    assert content(1, {**FULL, "former": {"$odd": 2**70}}, SAMPLE) == content(1, FULL, SAMPLE)


def test_null_in_a_column_that_allowed_it_takes_the_default() -> None:
    document = content(1, {**FULL, "place": None, "data": None}, SAMPLE)

    assert document["place"] == 1
    assert document["data"] is None, "null is a value of JSON"


def test_null_in_a_column_without_a_default_is_left_out() -> None:
    story = change("u", 17, 5)

    document = delivered(replace(story, after={**(story.after or {}), "title": None})).document

    assert document is not None
    assert "title" not in document


def test_a_column_that_allows_null_now_takes_values_and_null() -> None:
    story = change("u", 17, 5)
    rows = ({**(story.after or {}), "thumbnail": value} for value in ({"a": 1}, None))

    documents = [delivered(replace(story, after=row)).document for row in rows]

    assert [item and item["thumbnail"] for item in documents] == [{"a": 1}, None]


@pytest.mark.parametrize(("name", "value"), [("count", "x"), ("seen", 5), ("words", 1)])
def test_a_value_of_the_wrong_type_has_no_default(name: str, value: Any) -> None:
    with pytest.raises(Rejected, match=f"Column {name} contains"):
        content(1, {**FULL, name: value}, SAMPLE)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[ChangeEvent], list[list[ChangeEvent]]]:
    """Draw a history of changes, and batches that repeat and reorder these changes."""
    history: list[ChangeEvent] = []
    live: dict[int, bool] = {}
    for number in range(1, draw(st.integers(1, 12)) + 1):
        key = draw(st.integers(1, 3))
        op = draw(st.sampled_from("ud")) if live.get(key) else "c"
        live[key] = op != "d"
        history.append(change(op, key, number))
    repeated = history + draw(st.lists(st.sampled_from(history), max_size=12))
    order = draw(st.permutations(repeated))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=4)))
    edges = [0, *cuts, len(order)]
    return history, [order[a:b] for a, b in pairwise(edges)]


@given(deliveries())
def test_any_order_and_repetition_leads_to_the_same_documents(
    case: tuple[list[ChangeEvent], list[list[ChangeEvent]]],
) -> None:
    history, batches = case
    store = MemoryStore()
    replica = MemoryReplica(store, ROUTES, "test")
    replica.take_over(SOURCE, "id")

    for number, batch in enumerate(batches, 1):
        replica.apply([delivered(event) for event in batch], {SOURCE: number})

    last = {event.key: event for event in history}
    expected = {key: e.after["title"] for key, e in last.items() if e.after is not None}
    for name in COLLECTIONS:
        held = {key: item["title"] for key, item in store.collection(name).items()}
        assert held == expected
    assert len(store.history) == len(history)
