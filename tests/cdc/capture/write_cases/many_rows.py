"""Updates and deletes of many stories."""

from asgiref.sync import async_to_sync
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Concat, Upper

from stories.models import Story
from tests.cdc.capture.events import Event, created, deleted, updated
from tests.cdc.capture.world import FREE, World, changed
from tests.cdc.capture.write_cases.case import write_case


@write_case
def update(world: World) -> list[Event]:
    assert Story.objects.update(title="new") == 4
    return changed(world, title="new")


@write_case
def update_of_what_it_filters_by(world: World) -> list[Event]:
    assert Story.objects.filter(diggs__gte=3).update(diggs=F("diggs") - 2) == 2
    return [
        updated(world.row("c"), world.row("c", diggs=1)),
        updated(world.row("d"), world.row("d", diggs=2)),
    ]


@write_case
def update_that_changes_nothing(world: World) -> list[Event]:
    assert Story.objects.filter(diggs=1).update(media="news") == 1
    return changed(world, "a")


@write_case
def update_of_nothing(world: World) -> list[Event]:
    assert Story.objects.filter(diggs=77).update(title="new") == 0
    assert Story.objects.none().update(title="new") == 0
    assert Story.objects.filter(pk__in=[]).update(title="new") == 0
    return []


@write_case
def update_through_a_join(world: World) -> list[Event]:
    of_kim = Story.objects.filter(submitted_by__email="kim@example.com", diggs__lt=3)
    assert of_kim.update(title="new") == 2
    return changed(world, "ab", title="new")


@write_case
def update_with_an_annotation(world: World) -> list[Event]:
    loud = Story.objects.annotate(loud=Concat(Upper("media"), Value("!"))).filter(loud="NEWS!")
    assert loud.filter(diggs=2).update(title=F("loud")) == 1
    return changed(world, "b", title="NEWS!")


@write_case
def update_that_depends_on_other_rows(world: World) -> list[Event]:
    fewest = Story.objects.order_by("diggs").values("diggs")[:1]
    assert Story.objects.filter(diggs__gt=fewest).update(diggs=9) == 3
    return changed(world, "bcd", diggs=9)


@write_case
def update_of_distinct_rows(world: World) -> list[Event]:
    assert Story.objects.filter(Q(diggs=1) | Q(media="x")).distinct().update(title="new") == 1
    return changed(world, "a", title="new")


@write_case
def update_after_values(world: World) -> list[Event]:
    assert Story.objects.filter(diggs=1).values("title").update(title="new") == 1
    return changed(world, "a", title="new")


@write_case
def update_in_an_order(world: World) -> list[Event]:
    assert Story.objects.order_by("-diggs").update(title="new") == 4
    return changed(world, "dcba", title="new")


@write_case
def update_of_the_key(world: World) -> list[Event]:
    moved = Story.objects.filter(diggs__in=[1, 2]).update(id=F("id") + 9000, title="new")
    assert moved == 2
    events = []
    for name in "ab":
        after = world.row(name, title="new")
        events += [deleted(world.row(name)), created({**after, "id": after["id"] + 9000})]
    return events


@write_case
def update_of_the_key_to_a_number(world: World) -> list[Event]:
    assert Story.objects.filter(diggs=1).update(id=str(FREE)) == 1
    return [deleted(world.row("a")), created({**world.row("a"), "id": FREE})]


@write_case
def update_of_the_key_to_itself(world: World) -> list[Event]:
    assert Story.objects.filter(diggs=1).update(id=F("id")) == 1
    return changed(world, "a")


@write_case
def asynchronous_update(world: World) -> list[Event]:
    async_to_sync(Story.objects.filter(diggs=1).aupdate)(title="new")
    return changed(world, "a", title="new")


@write_case
def bulk_update(world: World) -> list[Event]:
    for one in (world.a, world.b):
        one.title, one.diggs = one.source_id or "", F("diggs") + 1
    assert Story.objects.bulk_update([world.b, world.a], ["title", "diggs"]) == 2
    return [
        updated(world.row("a"), world.row("a", title="s1", diggs=2)),
        updated(world.row("b"), world.row("b", title="s2", diggs=3)),
    ]


@write_case
def bulk_update_in_batches(world: World) -> list[Event]:
    for one in (world.a, world.b, world.c):
        one.title = "new"
    rows = [world.a, world.b, world.c]
    async_to_sync(Story.objects.all().abulk_update)(rows, ["title"], batch_size=2)
    return changed(world, "abc", title="new")


@write_case
def update_by_cases(world: World) -> list[Event]:
    case = Case(When(diggs=1, then=Value("one")), default=F("title"))
    Story.objects.filter(diggs__lt=3).update(title=case)
    return [*changed(world, "a", title="one"), *changed(world, "b")]


@write_case
def delete_of_a_queryset(world: World) -> list[Event]:
    assert Story.objects.filter(diggs__lt=3).delete() == (2, {"stories.Story": 2})
    return [deleted(world.row("a")), deleted(world.row("b"))]


@write_case
def delete_of_nothing(world: World) -> list[Event]:
    assert Story.objects.filter(diggs=77).delete() == (0, {})
    return []


@write_case
def asynchronous_delete(world: World) -> list[Event]:
    async_to_sync(Story.objects.filter(diggs=1).adelete)()
    return [deleted(world.row("a"))]


@write_case
def delete_that_depends_on_other_rows(world: World) -> list[Event]:
    fewest = Story.objects.order_by("diggs").values("diggs")[:1]
    rows = list(Story.objects.filter(diggs__gt=fewest).values_list("pk", flat=True))
    Story.objects.filter(pk__in=rows, submitted_by__email="kim@example.com").delete()
    return [deleted(world.row(name)) for name in "bcd"]
