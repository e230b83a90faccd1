"""The outbox row of a change, and its limits."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from cdc.capture.changes import Change, changes_between
from cdc.context import acting_as, traced
from cdc.errors import Refused
from cdc.wire.event import Operation
from cdc.wire.message import largest_size
from stories.models import Story
from tests.cdc.capture.events import events, records
from tests.cdc.capture.world import story
from tests.cdc.test_context import GOOD
from tests.support.toy.models import Label

A, B = {"id": 1}, {"id": 2}


@pytest.mark.parametrize(
    ("change", "operation"),
    [
        (Change(before=None, after=A), Operation.CREATE),
        (Change(before=A, after=B), Operation.UPDATE),
        (Change(before=A, after=None), Operation.DELETE),
        (Change(before=None, after=A, read=True), Operation.READ),
    ],
)
def test_the_images_define_the_operation(change: Change, operation: Operation) -> None:
    assert change.operation is operation


def test_changes_are_in_the_order_of_the_before_images() -> None:
    changes = list(changes_between({2: B, 1: A}, {1: A, 3: {"id": 3}}))

    assert changes == [
        Change(before=B, after=None),
        Change(before=A, after=A),
        Change(before=None, after={"id": 3}),
    ]


@pytest.mark.django_db(transaction=True)
def test_an_entry_has_the_actor_and_the_trace() -> None:
    with acting_as(lambda: "7"), traced(GOOD):
        story().save()

    (row,) = records()
    assert (row.user, row.traceparent, row.op) == ("7", GOOD, "c")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("user", ["7", "\x01" * 255], ids=["short", "escaped"])
def test_the_limit_is_that_of_the_whole_message(settings: Any, user: str) -> None:
    with acting_as(user):
        story(description="x" * 3_000).save()
        (row,) = records()
        size = largest_size(row, settings.CDC.connector)
        Story.objects.all().delete()
        settings.CDC = replace(settings.CDC, max_event_bytes=size)

        with pytest.raises(Refused, match=f"has {size + 1} bytes, but MAX_EVENT_BYTES is {size}"):
            story(pk=row_key(row.key), description="x" * 3_001).save()
        story(pk=row_key(row.key), description="x" * 3_000).save()

    assert [event.op for event in events()] == ["c", "d", "c"]


def row_key(key: str) -> int:
    value: int = json.loads(key)["id"]
    return value


@pytest.mark.django_db(transaction=True)
def test_an_entry_has_the_time_of_the_change() -> None:
    before = time.time_ns() // 1_000_000
    story().save()
    after = time.time_ns() // 1_000_000

    assert before <= records()[0].ts_ms <= after


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("less", "kept"), [(0, True), (1, False)])
def test_an_update_keeps_the_before_image_if_both_images_fit(
    settings: Any, less: int, kept: bool
) -> None:
    one = story(description="x" * 3_000)
    one.save()
    one.description = "y" * 3_000
    one.save()
    size = largest_size(records()[1], settings.CDC.connector)
    settings.CDC = replace(settings.CDC, max_event_bytes=size - less)
    Story.objects.update(description="x" * 3_000)

    found = events()[2]
    assert found.after == events()[0].after
    assert found.before == (events()[1].after if kept else {"id": one.pk})


@pytest.mark.django_db(transaction=True)
def test_a_key_has_at_most_255_characters_in_json() -> None:
    longest = "\x01" * 40 + "a" * 4
    Label.objects.create(text=longest)
    with pytest.raises(Refused, match=r"The key .* is longer than 255 characters"):
        Label.objects.create(text=f"{longest}a")

    assert [len(row.key) for row in records()] == [255]
