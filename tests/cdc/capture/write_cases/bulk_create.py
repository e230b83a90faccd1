"""Inserts of many stories, with and without conflicts."""

from typing import Any

from asgiref.sync import async_to_sync
from django.db import connection

from stories.models import Story
from tests.cdc.capture.events import Event, created, updated
from tests.cdc.capture.world import FREE, World, changed, story, wire
from tests.cdc.capture.write_cases.case import write_case


def _unique_fields(name: str = "source_id") -> dict[str, Any]:
    # SQLite requires this option. MySQL rejects it.
    wanted = connection.features.supports_update_conflicts_with_target
    return {"unique_fields": [name]} if wanted else {}


def _key(source_id: str) -> int:
    return Story.objects.values_list("pk", flat=True).get(source_id=source_id)


@write_case
def bulk_create(world: World) -> list[Event]:
    made = Story.objects.bulk_create(story(source_id=f"n{n}") for n in range(3))
    assert [one.pk for one in made] == [_key(f"n{n}") for n in range(3)]
    return [created(wire(_key(f"n{n}"), idJSON=f"n{n}")) for n in range(3)]


@write_case
def bulk_create_in_batches(world: World) -> list[Event]:
    rows = [story(source_id=f"n{n}") for n in range(5)]
    async_to_sync(Story.objects.all().abulk_create)(rows, batch_size=2)
    return [created(wire(_key(f"n{n}"), idJSON=f"n{n}")) for n in range(5)]


@write_case
def bulk_create_of_nothing(world: World) -> list[Event]:
    assert Story.objects.bulk_create([]) == []
    assert Story.objects.bulk_create(story() for _ in range(0)) == []
    return []


@write_case
def bulk_create_with_and_without_keys(world: World) -> list[Event]:
    Story.objects.bulk_create([story(source_id="n"), story(pk=FREE), story(pk=FREE - 1)])
    rest = [created(wire(FREE)), created(wire(FREE - 1)), created(wire(_key("n"), idJSON="n"))]
    return sorted(rest, key=lambda event: event.row["id"])


@write_case
def bulk_create_that_ignores_conflicts(world: World) -> list[Event]:
    rows = [story(source_id="n1"), story(source_id="s1"), story(pk=world.b.pk), story(pk=FREE)]
    Story.objects.bulk_create(rows, ignore_conflicts=True)
    assert [one.pk for one in rows] == [None, None, world.b.pk, FREE]
    events = [created(wire(_key("n1"), idJSON="n1")), created(wire(FREE))]
    return sorted(events, key=lambda event: event.row["id"])


@write_case
def bulk_create_that_updates_conflicts(world: World) -> list[Event]:
    rows = [story(source_id="s2", title="new"), story(source_id="n1"), story(source_id="s3")]
    options: dict[str, Any] = {"update_fields": ["title", "media"], **_unique_fields()}
    Story.objects.bulk_create(rows, update_conflicts=True, **options)
    return [
        *changed(world, "b", title="new"),
        created(wire(_key("n1"), idJSON="n1")),
        *changed(world, "c"),
    ]


@write_case
def bulk_create_that_updates_its_own_row(world: World) -> list[Event]:
    rows = [story(source_id="n1"), story(source_id="n1", title="later")]
    options: dict[str, Any] = {"update_fields": ["title"], **_unique_fields()}
    Story.objects.bulk_create(rows, update_conflicts=True, **options)
    first = wire(_key("n1"), idJSON="n1")
    return [created(first), updated(first, {**first, "title": "later"})]


@write_case
def bulk_create_that_updates_by_key(world: World) -> list[Event]:
    target = _unique_fields("pk")
    rows = [story(pk=world.a.pk, title="new"), story(pk=FREE)]
    Story.objects.bulk_create(rows, update_conflicts=True, update_fields=["title"], **target)
    return [*changed(world, "a", title="new"), created(wire(FREE))]
