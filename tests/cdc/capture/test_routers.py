"""Routers: one that reads from a replica, and one that looks at the model and the instance."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Concat
from django.db.models.signals import pre_delete

from cdc.capture.images import images_after, images_where, keys_after, read_image, read_images
from cdc.capture.queryset import CHUNK
from cdc.capture.resend import send_again, send_state
from cdc.errors import Refused
from cdc.models import OutboxRecord
from cdc.registry import Capture, registry
from stories.models import Story
from tests.cdc.capture.events import Event, events, forget, replay
from tests.cdc.capture.test_bulk_create import upsert, upsert_any_key
from tests.cdc.capture.world import FREE, World, story, table
from tests.support.toy.models import Label, Toy

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]


class ReadFromOther:
    """Reads from a replica, which is empty here, and writes to the primary."""

    def db_for_read(self, model: type, **_: Any) -> str:
        return "other"

    def db_for_write(self, model: type, **_: Any) -> str:
        return "default"


class OnlyStories:
    """Names the default database only for instances of Story."""

    def db_for_write(self, model: type, instance: Any = None, **_: Any) -> str:
        return "default" if model is Story and isinstance(instance, Story) else "other"


class WriteToOther:
    """Writes elsewhere unless the caller names the database."""

    def db_for_read(self, model: type, **_: Any) -> str:
        return "default"

    def db_for_write(self, model: type, **_: Any) -> str:
        return "other"


@pytest.fixture
def replica(settings: Any) -> None:
    settings.DATABASE_ROUTERS = ["tests.cdc.capture.test_routers.ReadFromOther"]


def captured(model: Any = Story) -> Capture:
    found = registry.find(model)
    assert found is not None
    return found


def _send_again(_: World) -> None:
    Story.objects.update(diggs=9)
    waiting = list(OutboxRecord.objects.using("default").order_by("id"))
    forget()
    send_again(waiting, using="default")


WRITES: dict[str, tuple[str, Callable[[World], Any]]] = {
    "save": ("u", lambda world: world.a.save()),
    "save of another instance": ("u", lambda world: story(pk=world.a.pk).save()),
    "save of a new row": ("c", lambda _: story(pk=FREE).save()),
    "update": ("uuuu", lambda _: Story.objects.update(title="new")),
    "update of what matches": ("uu", lambda _: Story.objects.filter(diggs__gt=2).update(media="v")),
    "update from an annotation": (
        "uuuu",
        lambda _: Story.objects.annotate(twice=F("diggs") * 2).update(diggs=F("twice")),
    ),
    "update of a key": ("dc", lambda world: Story.objects.filter(pk=world.a.pk).update(id=FREE)),
    "update of a key from itself": (
        "dc",
        lambda world: Story.objects.filter(pk=world.a.pk).update(id=F("id") + 2**40),
    ),
    "bulk_update": ("uu", lambda world: Story.objects.bulk_update([world.a, world.b], ["title"])),
    "delete": ("d", lambda world: world.a.delete()),
    "delete of a queryset": ("ddd", lambda _: Story.objects.filter(diggs__lt=4).delete()),
    "a reference is nulled": ("uuuu", lambda world: world.person.delete()),
    "bulk_create": ("cc", lambda _: Story.objects.bulk_create([story(), story(pk=FREE)])),
    "ignored conflicts": (
        "c",
        lambda _: Story.objects.bulk_create(
            [story(source_id="s1"), story(pk=FREE)], ignore_conflicts=True
        ),
    ),
    "an upsert of a row": ("u", lambda _: upsert(story(source_id="s1", title="new"))),
    "an upsert of a new row": ("c", lambda _: upsert(story(source_id="new"))),
    "an upsert of any key": (
        "u",
        lambda _: upsert_any_key(story(source_id="s1", title="new"), "title"),
    ),
    "rows are sent": (
        "rrd",
        lambda world: send_state(captured(), [world.b.pk, world.a.pk, FREE], using="default"),
    ),
    "rows are sent again": ("rrrr", _send_again),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_replica_is_not_asked_during_a_write(world: World, replica: None, write: str) -> None:
    operations, act = WRITES[write]

    act(world)

    found = [event for event in events() if event.row.get("title") or event.op == "d"]
    assert "".join(event.op for event in found) == operations
    if "r" not in operations:
        assert replay([Event("c", None, row) for row in world.rows.values()] + found) == table()


def test_a_replica_is_not_asked_for_any_chunk(replica: None) -> None:
    Label.objects.bulk_create([Label(text=f"{number:03}") for number in range(CHUNK + 1)])
    Label.objects.update(size=F("size") + 1)
    Label.objects.all().delete()

    assert [event.op for event in events()] == [each for each in "cud" for _ in range(CHUNK + 1)]
    assert replay(events(), "text") == {}


def test_images_are_read_from_the_database_that_was_asked_for(world: World, replica: None) -> None:
    capture, key = captured(), world.a.pk
    for using, expected in (("default", [key]), ("other", [])):
        assert list(read_images(capture, [key], using=using)) == expected
        with transaction.atomic(using=using):
            assert list(read_images(capture, [key], using=using, lock=True)) == expected
        assert (read_image(capture, key, using=using) is not None) is bool(expected)
        found = [
            images_where(capture, Q(pk=key), using=using),
            images_after(capture, None, 5, Q(pk=key), using=using),
            keys_after(capture, None, 5, Q(pk=key), using=using),
        ]
        assert [list(each) for each in found] == [expected] * 3


@pytest.mark.skipif(connection.vendor != "sqlite", reason="MySQL stores any text as a code")
def test_a_value_that_cannot_be_read_is_looked_up_in_the_same_database(replica: None) -> None:
    toy = Toy.objects.create(name="bear", place=3)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE toy_toy SET code = 'no code' WHERE id = %s", [toy.pk])

    image = read_image(captured(Toy), toy.pk, using="default")

    assert image is not None
    assert (image["place"], "code" in image) == (3, False)
    assert read_images(captured(Toy), [toy.pk], using="default") == {toy.pk: image}


def test_a_router_sees_the_model_and_the_instance(settings: Any) -> None:
    settings.DATABASE_ROUTERS = ["tests.cdc.capture.test_routers.OnlyStories"]
    one = story()
    with transaction.atomic():
        one.save_base()
    one._state.db = None
    one.full_clean()
    one.delete()

    assert [event.op for event in events()] == ["c", "d"]


def test_validation_compares_with_the_row_that_a_save_would_overwrite(
    world: World, settings: Any
) -> None:
    settings.CDC = replace(settings.CDC, max_event_bytes=100_000)
    Story.objects.filter(pk=world.a.pk).update(description="x" * 60_000)
    settings.CDC = replace(settings.CDC, max_event_bytes=20_000)
    settings.DATABASE_ROUTERS = ["tests.cdc.capture.test_routers.OnlyStories"]

    story(pk=world.a.pk, description="y" * 60_000).clean_fields()
    with pytest.raises(ValidationError, match="MAX_EVENT_BYTES"):
        story(pk=FREE, description="y" * 60_000).clean_fields()


def test_a_label_moved_by_an_expression_is_read_where_it_was_written(replica: None) -> None:
    Label.objects.create(text="a")
    Label.objects.update(text=Concat("text", Value("b")), size=2)

    assert [(event.op, event.row) for event in events()] == [
        ("c", {"text": "a", "size": 1}),
        ("d", {"text": "a", "size": 1}),
        ("c", {"text": "ab", "size": 2}),
    ]


def test_a_queryset_of_another_database_is_refused_at_its_first_write(replica: None) -> None:
    for act in (
        lambda: Story.objects.using("other").update(title="x"),
        lambda: Story.objects.using("other").all().delete(),
        lambda: Story.objects.using("other").bulk_create([story()]),
    ):
        with pytest.raises(Refused, match="'other'"):
            act()


def test_changes_during_a_delete_follow_each_other(world: World, replica: None) -> None:
    other = Story.objects.using("default").filter(pk=world.b.pk)

    def receive(instance: Story, **_: Any) -> None:
        if instance.pk == world.a.pk:
            for number in (50, 60):
                other.update(diggs=number)

    pre_delete.connect(receive, sender=Story)
    try:
        Story.objects.filter(diggs__lt=3).delete()
    finally:
        pre_delete.disconnect(receive, sender=Story)

    assert [event.op for event in events()] == ["u", "u", "d", "d"]
    assert replay([Event("c", None, row) for row in world.rows.values()] + events()) == table()


DEFAULT = "default"
NAMED: dict[str, tuple[str, Callable[[World], Any]]] = {
    "save": ("u", lambda world: world.a.save(using=DEFAULT)),
    "save_base": ("u", lambda world: _in_transaction(world.a.save_base)),
    "a raw save": ("u", lambda world: _in_transaction(world.a.save_base, raw=True)),
    "delete": ("d", lambda world: world.a.delete(using=DEFAULT)),
    "update": ("uuuu", lambda _: Story.objects.using(DEFAULT).update(title="new")),
    "update of what matches": (
        "uu",
        lambda _: Story.objects.using(DEFAULT).filter(diggs__gt=2).update(media="v"),
    ),
    "update from an annotation": (
        "uuuu",
        lambda _: Story.objects.using(DEFAULT).annotate(two=F("diggs") * 2).update(diggs=F("two")),
    ),
    "update of a key": (
        "dc",
        lambda world: Story.objects.using(DEFAULT).filter(pk=world.a.pk).update(id=F("id") + FREE),
    ),
    "bulk_update": (
        "uu",
        lambda world: Story.objects.using(DEFAULT).bulk_update(
            [story(pk=world.a.pk, title="new"), story(pk=world.b.pk, title="new")], ["title"]
        ),
    ),
    "bulk_create": ("cc", lambda _: Story.objects.using(DEFAULT).bulk_create([story(), story()])),
    "delete of a queryset": (
        "ddd",
        lambda _: Story.objects.using(DEFAULT).filter(diggs__lt=4).delete(),
    ),
    "an upsert of any key": (
        "u",
        lambda _: upsert_any_key(story(source_id="s1", title="new"), "title"),
    ),
}
CHANGES = {"update": "new", "an upsert of any key": "new"}


def _in_transaction(save: Callable[..., Any], **options: Any) -> None:
    with transaction.atomic():
        save(using=DEFAULT, **options)


@pytest.mark.parametrize("write", NAMED)
def test_a_database_that_is_named_is_written(world: World, settings: Any, write: str) -> None:
    settings.DATABASE_ROUTERS = ["tests.cdc.capture.test_routers.WriteToOther"]
    operations, act = NAMED[write]

    act(world)

    found = [event for event in events() if event.row.get("title")]
    assert "".join(event.op for event in found) == operations
    assert "update" not in write or all(event.before != event.after for event in found)
    assert found[0].row["title"] == CHANGES.get(write, found[0].row["title"])
    assert replay([Event("c", None, row) for row in world.rows.values()] + found) == table()


@pytest.mark.parametrize("write", ["delete", "save", "save_base"])
def test_a_plain_model_is_written_where_it_is_asked_for(
    world: World, settings: Any, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    monkeypatch.setattr(registry, "_by_model", {})
    settings.DATABASE_ROUTERS = ["tests.cdc.capture.test_routers.WriteToOther"]
    rows = Story.objects.using(DEFAULT).filter(title="new")
    world.a.title = "new"
    getattr(world.a, write)(using=DEFAULT)

    assert rows.count() == (write != "delete")
    assert Story.objects.using(DEFAULT).count() == 4 - (write == "delete")
    assert Story.objects.using("other").count() == 0
