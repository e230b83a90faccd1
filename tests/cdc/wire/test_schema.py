"""The published schemas describe the messages that the encoder writes."""

import json
from functools import partial
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from cdc.registry import Capture, registry
from cdc.wire.schema import asyncapi, event_schema, key_schema
from stories.models import Story
from tests.cdc.capture.events import envelope, records
from tests.cdc.capture.world import World, story
from tests.cdc.wire.samples import CONNECTOR
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
        ("story-event.schema.json", partial(event_schema, connector=CONNECTOR)),
        ("story-key.schema.json", key_schema),
        ("story-events.asyncapi.json", partial(asyncapi, connector=CONNECTOR)),
    ],
)
def test_the_published_schemas_are_up_to_date(name: str, make: Any) -> None:
    assert matches(PUBLISHED / name, make(captured())), (
        "regenerate it with STORYFEED_WRITE_GOLDEN=1"
    )


@pytest.mark.django_db(transaction=True)
def test_captured_changes_match_the_schema() -> None:
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
def test_the_schema_rejects_malformed_values(wrong: dict[str, Any]) -> None:
    world = World.made()
    world.a.save()
    value = envelope(records()[-1])
    validate(value)

    with pytest.raises(ValidationError):
        validate({**value, **wrong})


def validate(value: Any) -> None:
    Draft202012Validator(event_schema(captured(), CONNECTOR)).validate(value)
