"""Captures that would overwrite each other's data are refused."""

from itertools import permutations
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from cdc.capture.model import CapturedModel
from cdc.declarations import conflicts, delete_markers_of
from cdc.errors import Misconfigured
from cdc.mongo.plan import delete_markers
from cdc.registry import Capture, Registry
from stories.models import Story
from tests.support.toy.models import Label, Note, Toy

STORIES = Capture(model=Story)
TOYS = Capture(model=Toy, topic="toy-events", collections=("toys",))


def found(*captures: Capture) -> list[str]:
    return [conflict.check for conflict in conflicts(captures)]


def test_captures_with_their_own_names_have_none() -> None:
    assert found(STORIES, TOYS, Capture(model=Label, topic="toy-events", collections=("l",))) == []


@pytest.mark.parametrize(
    ("other", "checks"),
    [
        (Capture(model=Note), ["cdc.E013", "cdc.E014"]),
        (Capture(model=Note, topic="own"), ["cdc.E013"]),
        (Capture(model=Note, topic="own", collections=("a", "stories_story_1")), ["cdc.E013"]),
        (Capture(model=Note, collections=("own",)), ["cdc.E014"]),
        (Capture(model=Note, topic="toy-events", collections=("own",)), ["cdc.E014"]),
        # The key column has another name, so the Kafka keys differ.
        (Capture(model=Label, collections=("own",)), []),
    ],
)
def test_two_captures_share_neither_collections_nor_keys(other: Capture, checks: list[str]) -> None:
    for order in permutations([STORIES, TOYS, other]):
        assert found(*order) == checks


@pytest.mark.parametrize(
    "name",
    [
        "stories_history",
        "storyfeed_offsets",
        "storyfeed_offsets_columns",
        "storyfeed_offsets_instances",
        "toy_toy_delete_markers",
        "stories_story_delete_markers",
    ],
)
def test_the_feed_s_own_collections_are_taken(name: str) -> None:
    toys = Capture(model=Toy, topic="own", collections=("own", name))

    assert found(STORIES, toys) == found(toys, STORIES) == ["cdc.E012"]


def test_delete_markers_are_named_alike() -> None:
    assert delete_markers_of("orders") == delete_markers("orders")


@pytest.mark.parametrize(
    "column", ["_id", "_epoch", "_version", "$set", "a.b", "a\0b", "$"], ids=repr
)
def test_a_column_must_not_take_the_feed_s_fields(column: str) -> None:
    assert _checks(column=column) == ["cdc.E010"]


@pytest.mark.parametrize("column", ["_order", "id_", "_", "version", "a$b", "_ID"])
def test_other_columns_are_free(column: str) -> None:
    assert _checks(column=column) == []


@pytest.mark.parametrize("table", ["system.toys", "a$b", "a\0b", "x" * 101], ids=repr)
def test_a_table_must_give_its_markers_a_name(table: str) -> None:
    assert _checks(table=table) == ["cdc.E011"]


def test_two_models_of_one_table_are_refused() -> None:
    with isolate_apps("tests.support.toy"):

        class Legacy(CapturedModel):
            class Meta(CapturedModel.Meta):
                app_label = "toy"
                managed = False
                db_table = "toy_toy"

    legacy = Capture(model=Legacy, topic="own", collections=("own",))

    assert found(TOYS, legacy) == ["cdc.E015"]


def test_nothing_is_captured_until_the_conflict_is_resolved() -> None:
    own = Registry()
    own.register(STORIES)
    own.require_sound()
    own.register(Capture(model=Toy))

    with pytest.raises(Misconfigured, match=r"Story and Toy are both replicated .* \(cdc\.E013\)"):
        own.require_sound()

    own.register(TOYS)
    own.require_sound()


def _checks(column: str = "name", table: str = "toy_odd") -> list[str]:
    with isolate_apps("tests.support.toy"):
        meta: Any = type("Meta", (CapturedModel.Meta,), {"app_label": "toy", "db_table": table})
        values = {
            "__module__": __name__,
            "Meta": meta,
            "name": models.CharField(max_length=9, db_column=column),
        }
        odd = type("Odd", (CapturedModel,), values)
    return found(STORIES, Capture(model=odd, topic="own", collections=("own",)))
