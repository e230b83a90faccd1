"""Saves, creates and deletes of one story."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from asgiref.sync import async_to_sync
from django.core import serializers
from django.core.management import call_command
from django.db.models import F

from stories.models import Story
from tests.cdc.capture.events import Event, created, deleted, updated
from tests.cdc.capture.world import FREE, World, changed, columns, story, wire
from tests.cdc.capture.write_cases.case import write_case


@write_case
def save_of_a_new_story(world: World) -> list[Event]:
    new = story()
    new.save()
    return [created(wire(new.pk))]


@write_case
def create(world: World) -> list[Event]:
    return [created(wire(Story.objects.create(**columns()).pk))]


@write_case
def create_with_a_key(world: World) -> list[Event]:
    Story.objects.create(pk=FREE, **columns())
    return [created(wire(FREE))]


@write_case
def save_with_a_key_that_no_row_has(world: World) -> list[Event]:
    story(pk=FREE).save()
    return [created(wire(FREE))]


@write_case
def save_with_a_key_as_text(world: World) -> list[Event]:
    story(pk=str(world.a.pk)).save()
    return [updated(world.row("a"), wire(world.a.pk))]


@write_case
def save(world: World) -> list[Event]:
    world.a.title = "new"
    world.a.save()
    return changed(world, "a", title="new")


@write_case
def save_that_changes_nothing(world: World) -> list[Event]:
    world.a.save()
    return changed(world, "a")


@write_case
def save_of_two_fields(world: World) -> list[Event]:
    world.a.title, world.a.media, world.a.diggs = "new", "video", 99
    world.a.save(update_fields=["title", "media"])
    return changed(world, "a", title="new", media="video")


@write_case
def save_of_no_fields(world: World) -> list[Event]:
    world.a.save(update_fields=[])
    return []


@write_case
def save_of_deferred_fields(world: World) -> list[Event]:
    one = Story.objects.only("title").get(pk=world.a.pk)
    Story.objects.filter(pk=one.pk).update(diggs=50)
    one.title = "new"
    one.save()
    middle = world.row("a", diggs=50)
    return [updated(world.row("a"), middle), updated(middle, {**middle, "title": "new"})]


@write_case
def save_of_an_expression(world: World) -> list[Event]:
    world.a.diggs = F("diggs") + 5
    world.a.save()
    return changed(world, "a", diggs=6)


@write_case
def save_that_must_update(world: World) -> list[Event]:
    world.a.title = "new"
    world.a.save(force_update=True)
    return changed(world, "a", title="new")


@write_case
def save_under_another_key(world: World) -> list[Event]:
    world.a.pk, world.a.source_id = FREE, None
    world.a.save()
    return [created({**world.row("a", idJSON=None), "id": FREE})]


@write_case
def raw_save(world: World) -> list[Event]:
    data = serializers.serialize("json", [world.a]).replace("Technology", "World")
    with TemporaryDirectory() as folder:
        fixture = Path(folder) / "fixture.json"
        fixture.write_text(data)
        call_command("loaddata", fixture, verbosity=0)
    return changed(world, "a", container={"name": "World", "short_name": "technology"})


@write_case
def fixture_with_a_new_row(world: World) -> list[Event]:
    fields = {**columns(), "submit_date": "2009-06-01T12:30:15.123999Z"}
    with TemporaryDirectory() as folder:
        fixture = Path(folder) / "fixture.json"
        fixture.write_text(json.dumps([{"model": "stories.story", "pk": FREE, "fields": fields}]))
        call_command("loaddata", fixture, verbosity=0)
    return [created(wire(FREE))]


@write_case
def get_or_create_of_a_new_story(world: World) -> list[Event]:
    new, _ = Story.objects.get_or_create(source_id="new", defaults=columns())
    return [created(wire(new.pk, idJSON="new"))]


@write_case
def get_or_create_of_an_existing_story(world: World) -> list[Event]:
    Story.objects.get_or_create(source_id="s1", defaults=columns())
    return []


@write_case
def update_or_create_of_a_new_story(world: World) -> list[Event]:
    new, _ = Story.objects.update_or_create(source_id="new", defaults=columns())
    return [created(wire(new.pk, idJSON="new"))]


@write_case
def update_or_create_of_an_existing_story(world: World) -> list[Event]:
    Story.objects.update_or_create(source_id="s1", defaults={"title": "new"})
    return changed(world, "a", title="new")


@write_case
def delete(world: World) -> list[Event]:
    world.a.delete()
    return [deleted(world.row("a"))]


@write_case
def delete_of_a_deleted_row(world: World) -> list[Event]:
    again = Story.objects.get(pk=world.a.pk)
    world.a.delete()
    again.delete()
    return [deleted(world.row("a"))]


@write_case
def delete_and_create_again(world: World) -> list[Event]:
    world.a.delete()
    story(pk=world.keys["a"]).save()
    return [deleted(world.row("a")), created(wire(world.keys["a"]))]


@write_case
def asynchronous_save_and_delete(world: World) -> list[Event]:
    world.a.title = "new"
    async_to_sync(world.a.asave)()
    async_to_sync(world.a.adelete)()
    return [*changed(world, "a", title="new"), deleted(world.row("a", title="new"))]
