"""Each captured table has a route to its collections."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from cdc.canary.models import Canary
from cdc.conf import cdc_settings
from cdc.consumer.routes import routes
from cdc.errors import Misconfigured
from cdc.field_columns import columns_of
from cdc.mongo.plan import Route
from cdc.registry import Capture, register, registry
from stories.models import Story
from tests.support.toy.models import Label, Toy


@pytest.fixture
def found() -> Mapping[str, Route]:
    return routes()


def test_each_captured_table_has_one(found: Mapping[str, Route]) -> None:
    assert set(found) == {capture.table for capture in registry.all()}
    assert {"stories_story", "toy_toy", Canary._meta.db_table} <= set(found)


def test_a_row_is_written_to_the_collections_of_its_model(found: Mapping[str, Route]) -> None:
    assert found["stories_story"] == Route(
        table="stories_story",
        key="id",
        columns=columns_of(Story),
        collections=("stories_story", "stories_story_1", "stories_story_2"),
        history=True,
        topic="story-events",
        indexes=("submit_date",),
    )
    assert found["toy_toy"] == Route(
        table="toy_toy",
        key="id",
        columns=columns_of(Toy),
        collections=("toys",),
        history=True,
        topic="toy-events",
    )
    assert found["toy_label"].key == "text", "the column of the primary key, whatever its name"


def test_the_changes_of_the_canary_have_no_history(found: Mapping[str, Route]) -> None:
    canary = found[Canary._meta.db_table]
    assert canary.history is False
    assert canary.collections == (cdc_settings().canary_collection,)
    assert canary.topic == "story-events-canary"


def test_captures_that_write_to_one_collection_have_no_routes() -> None:
    labels = registry.find(Label)
    assert labels is not None
    register(Capture(model=Label, topic="toy-events", collections=("toys",)))
    try:
        with pytest.raises(Misconfigured, match="toys"):
            routes()
    finally:
        register(labels)
    assert routes()["toy_label"] == replace(routes()["toy_label"], collections=("labels",))
