"""What each audience sees of a record, with any content."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.audience import Audience
from cdc.errors import Misconfigured
from cdc.feed.rendering import LONGEST_VALUE
from cdc.registry import Capture, Presentation
from cdc.wire.event import ChangeEvent, PastEvent
from cdc.wire.records import Record, TopicPartition
from stories.models import Story
from tests.cdc.feed.records import RENDERER, record, rendered, update
from tests.support.builders import change, wire_row
from tests.support.hostile import hostile

SOURCE = TopicPartition("story-events", 3)
OPERATORS, OVERSEERS = Audience.OPERATORS, Audience.OVERSEERS


def shown(event: ChangeEvent, audience: Audience = OPERATORS) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(rendered(event, 3, 9).data[audience])
    return found


def test_an_update_shows_its_changed_columns_before_and_after() -> None:
    data = shown(update(17, 5, diggs=9, title="new"))
    assert data["fields"] == [["title", "a story", "new"], ["diggs", "4", "9"]]
    assert (data["partition"], data["offset"], data["op"]) == (3, 9, "u")
    assert (data["key"], data["title"], data["who"]) == ("17", "new", "7")
    assert data["page"] == "/stories/17/"
    assert data["at"] == "2025-11-24T16:00:00.005Z"


@pytest.mark.parametrize("op", ["c", "r", "d"])
def test_other_operations_show_no_columns(op: str) -> None:
    data = shown(change(op, 17, 5, title="t"))
    assert data["fields"] == []
    assert data["title"] == "t"
    assert bool(data["page"]) is (op != "d")


def test_only_operators_see_personal_columns_and_the_user() -> None:
    event = update(17, 5, user={"name": "Secret Person"}, submitted_by_id=70_001, diggs=9)
    full = rendered(event)
    assert (
        b"Secret Person" in rendered(update(17, 5, user={"name": "Secret Person"})).data[OPERATORS]
    )
    data = orjson.loads(full.data[OPERATORS])
    assert (len(data["fields"]), data["fit"], data["more"]) == (3, 1, 0)
    assert full.visible_fields(OPERATORS) == {"user", "submitted_by_id", "diggs"}
    assert full.visible_fields(OVERSEERS) == {"diggs"}
    less = full.data[OVERSEERS]
    assert b"Secret" not in less
    assert b"70001" not in less
    assert orjson.loads(less)["hidden"] == 2
    assert "who" not in orjson.loads(less)


def test_the_details_hide_the_same() -> None:
    event = update(17, 5, user={"name": "Secret Person"})
    full, less = (RENDERER.details(record(event), audience) for audience in Audience)
    assert full["after"]["user"] == {"name": "Secret Person"}
    assert full["user"] == "7"
    assert "user" not in less
    assert "user" not in less["after"]
    assert "submitted_by_id" not in less["before"]
    assert less["after"]["title"] == "a story"


def test_undeclared_columns_are_hidden() -> None:
    event = update(17, 5, secret="x")
    full = RENDERER.details(record(event), OPERATORS)["after"]
    assert full.keys() == wire_row(17).keys()
    assert rendered(event).fields == set()


def test_long_values_are_cut_and_control_characters_escaped() -> None:
    titled = shown(update(17, 5, title="\u202eevil\n\nevent: x"))
    described = shown(update(17, 5, description="x" * 60_000))
    (((_, _, title),), ((_, _, description),)) = titled["fields"], described["fields"]
    assert title == "\\u202eevil\\n\\nevent: x"
    assert description.startswith("x" * LONGEST_VALUE)
    assert "60,000" in description
    assert len(rendered(update(17, 5, description="y" * 60_000)).data[OPERATORS]) < 2_000


def test_a_long_value_is_shown_from_where_it_differs() -> None:
    event = update(17, 5, title="A ferry captain keeps an old promise (with photos)", diggs=9)
    event = replace(
        event, before={**(event.before or {}), "title": "A ferry captain keeps an old promise"}
    )
    data = shown(event)
    assert data["fields"][0] == ["title", "…", "… (with photos)"]


def test_a_difference_near_the_end_of_a_long_text_is_shown() -> None:
    event = update(17, 5, title=f"{'word ' * 50}song and more")
    event = replace(event, before={**(event.before or {}), "title": f"{'word ' * 50}tale and more"})
    assert shown(event)["fields"] == [["title", "… word tale and more", "… word song and more"]]


@pytest.mark.parametrize(
    ("after", "shown_fields", "more"),
    [
        ({"diggs": 59, "comments": 11}, ["diggs", "comments"], 0),
        ({"title": "A headline that is much longer than a row", "diggs": 9}, ["title"], 1),
        ({"diggs": 1_001, "comments": 102}, ["diggs", "comments"], 0),
        ({"status": "rejected", "diggs": 99, "comments": 5}, ["diggs", "comments"], 1),
        ({"status": "rejected", "diggs": 100, "comments": 5}, ["comments"], 2),
    ],
)
def test_only_whole_fields_are_shown_and_the_others_are_counted(
    after: dict[str, Any], shown_fields: list[str], more: int
) -> None:
    data = shown(update(17, 5, **after))
    fitting = data["fields"][: data["fit"]]
    assert sorted(name for name, *_ in fitting) == sorted(shown_fields)
    assert len(data["fields"]) - data["fit"] == more
    assert data["more"] == 0


def test_a_tombstone_shows_nothing() -> None:
    assert RENDERER.render(Record(source=SOURCE, offset=1, key=b'{"id":1}', value=None)) is None


def test_hostile_messages_are_rendered_on_one_line() -> None:
    for number, sent in enumerate(hostile(400, 8, SOURCE.topic)):
        held = Record(source=SOURCE, offset=number, key=sent.key, value=sent.value)
        found = RENDERER.render(held)
        assert found is not None
        for audience in Audience:
            assert b"\n" not in found.data[audience]
            assert isinstance(orjson.loads(found.data[audience]), dict)
            orjson.dumps(RENDERER.details(held, audience))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_rendered(key: bytes, value: bytes) -> None:
    held = Record(source=SOURCE, offset=1, key=key, value=value)
    found = RENDERER.render(held)
    assert found is not None
    assert found.op == ""
    assert "value" not in RENDERER.details(held, OVERSEERS)


def test_a_timestamp_out_of_range_is_unrecognised() -> None:
    assert rendered(replace(change("c", 1, 1), ts_ms=2**62)).op == ""


def test_a_table_that_is_not_captured_is_unrecognised() -> None:
    assert rendered(replace(change("c", 1, 1), table="auth_user")).op == ""


def test_a_misspelt_personal_column_is_refused() -> None:
    with pytest.raises(Misconfigured, match="Story has no column usr"):
        Capture(model=Story, presentation=Presentation(personal=frozenset({"usr"})))


@pytest.mark.parametrize("column", ["id", "title", "topic"])
def test_a_column_that_every_reader_sees_cannot_be_personal(column: str) -> None:
    shown = Presentation(title="title", topic_field="topic", personal=frozenset({column}))
    with pytest.raises(Misconfigured, match=f"Story has the personal column {column}"):
        Capture(model=Story, presentation=shown)


PERSONAL = {"user", "submitted_by_id"}


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("op", ["c", "u", "d", "r"])
def test_no_image_of_any_operation_shows_a_personal_column(op: str, *, past: bool) -> None:
    event = change(op, 17, 5)
    images: dict[str, Any] = {
        name: image and {**image, "user": {"name": f"Secret {name}"}, "submitted_by_id": 70_001}
        for name, image in (("before", event.before), ("after", event.after))
    }
    event = replace(event, user="70002", before=images["before"], after=images["after"])

    def details(audience: Audience) -> dict[str, Any]:
        if past:
            held = PastEvent(event=event, partition=3, offset=9)
            return RENDERER.past_details(held, audience) or {}
        return RENDERER.details(record(event, 3, 9), audience)

    full, less = details(OPERATORS), details(OVERSEERS)
    assert (full["before"], full["after"], full["user"]) == (
        images["before"],
        images["after"],
        "70002",
    )
    for name in ("before", "after"):
        expected = images[name] and {
            column: value for column, value in images[name].items() if column not in PERSONAL
        }
        assert less[name] == expected
    assert less.keys() == full.keys() - {"user"}
    shown_less = orjson.dumps([less, shown(event, OVERSEERS)])
    assert not any(text in shown_less for text in (b"Secret", b"70001", b"70002"))


def test_what_is_unrecognised_shows_its_size_only_to_overseers() -> None:
    held = Record(source=SOURCE, offset=9, key=b'{"id":1}', value=b'{"op":"Secret"}')
    found = RENDERER.render(held)
    assert found is not None
    size_only = {"partition": 3, "offset": 9, "bytes": 15}

    assert orjson.loads(found.data[OVERSEERS]) == {**size_only, "op": ""}
    assert RENDERER.details(held, OVERSEERS) == size_only
    assert orjson.loads(found.data[OPERATORS])["why"]
    assert RENDERER.details(held, OPERATORS)["value"] == '{"op":"Secret"}'
