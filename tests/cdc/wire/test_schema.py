"""The published schema is the encoder's."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from cdc.registry import Capture, registry
from cdc.wire.schema import asyncapi, event_schema, key_schema
from stories.models import Story
from tests.cdc.capture.events import envelope, records
from tests.cdc.capture.world import World, story
from tests.support.golden import matches
from tests.support.paths import ROOT

PUBLISHED = ROOT / "docs" / "schema"


def captured() -> Capture:
    found = registry.find(Story)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("story-event.schema.json", event_schema),
        ("story-key.schema.json", key_schema),
        ("story-events.asyncapi.json", asyncapi),
    ],
)
def test_what_is_published_is_what_the_code_says(name: str, make: Any) -> None:
    assert matches(PUBLISHED / name, make(captured())), (
        "write it anew with STORYFEED_WRITE_GOLDEN=1"
    )


@pytest.mark.django_db(transaction=True)
def test_what_is_captured_obeys_the_schema() -> None:
    world = World.made()
    world.a.thumbnail, world.a.promote_date = {"src": "x"}, world.a.submit_date
    world.a.save()
    Story.objects.update(diggs=5)
    world.a.delete()
    story(source_id=None).save()

    for record in records():
        validate(envelope(record))
        Draft202012Validator(key_schema(captured())).validate(json.loads(record.key))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "wrong",
    [
        {"before": None},
        {"after": None},
        {"op": "x"},
        {"op": "c"},
        {"op": "d"},
        {"more": 1},
        {"ts_ms": "now"},
        {"after": {"id": 1}},
        {"source": {}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_wrong(wrong: dict[str, Any]) -> None:
    world = World.made()
    world.a.save()
    value = envelope(records()[-1])
    validate(value)

    with pytest.raises(ValidationError):
        validate({**value, **wrong})


def validate(value: Any) -> None:
    Draft202012Validator(event_schema(captured())).validate(value)
