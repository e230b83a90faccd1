"""Writes to stories through their submitters and through the admin."""

from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest

from stories.models import Story
from tests.cdc.capture.events import Event, created, deleted, updated
from tests.cdc.capture.world import World, changed, columns, wire
from tests.cdc.capture.write_cases.case import write_case
from users.models import User


@write_case
def delete_of_the_person(world: World) -> list[Event]:
    world.person.delete()
    return changed(world, submitted_by_id=None)


@write_case
def delete_of_many_people(world: World) -> list[Event]:
    User.objects.create(email="lee@example.com", name="Lee")
    User.objects.all().delete()
    return changed(world, submitted_by_id=None)


@write_case
def related_manager(world: World) -> list[Event]:
    lee = User.objects.create(email="lee@example.com", name="Lee")
    lee.stories.add(world.a, world.b)
    lee.stories.remove(world.a)
    lee.stories.clear()
    to_lee = changed(world, "ab", submitted_by_id=lee.pk)
    none_a, none_b = (world.row(name, submitted_by_id=None) for name in "ab")
    return [*to_lee, updated(to_lee[0].row, none_a), updated(to_lee[1].row, none_b)]


@write_case
def related_writes(world: World) -> list[Event]:
    new = world.person.stories.create(**columns())
    world.person.stories.filter(diggs=1).update(title="new")
    world.person.stories.filter(diggs=2).delete()
    return [
        created(wire(new.pk, submitted_by_id=world.person.pk)),
        *changed(world, "a", title="new"),
        deleted(world.row("b")),
    ]


@write_case
def admin(world: World) -> list[Event]:
    page, request = ModelAdmin(Story, AdminSite()), HttpRequest()
    world.a.title = "new"
    page.save_model(request, world.a, form=None, change=True)
    page.delete_model(request, world.b)
    page.delete_queryset(request, Story.objects.filter(diggs=3).distinct())
    return [
        *changed(world, "a", title="new"),
        deleted(world.row("b")),
        deleted(world.row("c")),
    ]
