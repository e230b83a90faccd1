"""Registering and finding captures."""

from typing import Any
from uuid import UUID

import pytest
from django.db import models

from cdc.errors import Misconfigured, Refused
from cdc.registry import Capture, Registry, registry
from stories.models import Story
from tests.support.toy.models import Box, Label, RedToy, Toy


def test_a_declaration_needs_only_the_model() -> None:
    capture = registry.find(Story)

    assert capture is not None
    assert capture.topic == "story-events"
    assert capture.collections == ("stories_story", "stories_story_1", "stories_story_2")
    assert (capture.table, capture.key.name) == ("stories_story", "id")
    assert dict(zip(capture.attnames, capture.columns, strict=True))["source_id"].name == "idJSON"


def test_a_proxy_is_found_as_its_model() -> None:
    assert registry.find(RedToy) is registry.find(Toy) is registry.by_table()["toy_toy"]
    assert registry.find(Box) is None


@pytest.mark.parametrize(
    "names",
    [
        {"collections": "toys"},
        {"collections": ()},
        {"collections": ("a", "a")},
        {"collections": ("a$b",)},
        {"collections": ("system.users",)},
        {"topic": "toy events"},
        {"topic": ""},
    ],
    ids=str,
)
def test_names_that_kafka_or_mongodb_refuse_are_refused(names: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"Toy has the (topic|collections)"):
        Capture(model=Toy, **{"topic": "toy-events", **names})


def test_an_index_is_on_a_column() -> None:
    assert Capture(model=Toy, indexes=("toyName",)).indexes == ("toyName",)
    with pytest.raises(Misconfigured, match="Toy has no column name: correct its indexes"):
        Capture(model=Toy, indexes=("name",))


def test_a_key_has_one_form_in_json() -> None:
    tickets = registry.by_table()["toy_ticket"]
    code = "12345678-1234-5678-1234-567812345678"

    assert tickets.key_to_wire(code.upper()) == tickets.key_to_wire(UUID(code)) == code
    assert tickets.key_from_wire(code) == UUID(code)
    with pytest.raises(Refused, match="'no code' is not a valid key of toy_ticket"):
        tickets.key_to_wire("no code")


def test_only_the_published_database_is_written() -> None:
    capture = Capture(model=Toy)
    capture.refuse_database("default")

    with pytest.raises(Refused, match="'other', whose changes are not published"):
        capture.refuse_database("other")


def test_the_last_declaration_counts() -> None:
    own = Registry()
    own.register(Capture(model=Toy, topic="a"))
    own.register(Capture(model=RedToy, topic="b"))

    assert [capture.topic for capture in own] == ["b"]


@pytest.mark.parametrize(
    "key",
    [
        models.FloatField(primary_key=True),
        models.JSONField(primary_key=True),
        models.BooleanField(primary_key=True),
        models.DecimalField(primary_key=True, max_digits=4, decimal_places=2),
    ],
    ids=lambda field: type(field).__name__,
)
def test_a_key_that_is_neither_number_nor_text_is_refused(
    key: models.Field[object, object],
) -> None:
    meta = type("Meta", (), {"app_label": "odd"})
    name = f"With{type(key).__name__}"
    odd = type(name, (models.Model,), {"__module__": __name__, "Meta": meta, "key": key})

    with pytest.raises(Misconfigured, match=f"{name} has the primary key key"):
        Capture(model=odd)


def test_a_key_of_several_columns_is_refused() -> None:
    class Pair(models.Model):
        pk = models.CompositePrimaryKey("a", "b")
        a = models.IntegerField()
        b = models.IntegerField()

        class Meta:
            app_label = "pair"

    with pytest.raises(Misconfigured, match="one column"):
        Capture(model=Pair)


@pytest.mark.parametrize(
    ("model", "row", "place"),
    [
        (Toy, {"id": 7, "name": 5}, "toy_toy 7: Column"),
        (Label, {"text": "ann@example.org", "size": "large"}, "toy_label: Column size contains"),
    ],
)
def test_logs_name_only_keys_that_are_numbers(
    model: type[models.Model], row: dict[str, Any], place: str
) -> None:
    capture = registry.find(model)
    assert capture is not None
    row = {**dict.fromkeys(capture.attnames), **row}

    with pytest.raises(Refused) as refused:
        capture.wire_row(row)

    assert str(refused.value).startswith(f"{capture.table} {row[capture.key.attname]}: Column")
    assert refused.value.without_values.startswith(place)
