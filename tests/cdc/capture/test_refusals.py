"""On every database, a save of a value that cannot be published is refused and stores nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db import (
    DatabaseError,
    IntegrityError,
    NotSupportedError,
    connection,
    models,
    transaction,
)

from cdc.errors import Refused
from stories.models import Story
from tests.cdc.capture.events import events
from tests.cdc.capture.world import FREE, World, columns, story, table
from tests.support.toy.models import Label

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

UNPUBLISHABLE = {
    "a long integer in JSON": ("user", {"n": 2**63}, "64 bits"),
    "a very long integer in JSON": ("user", {"n": [2**70]}, "64 bits"),
    "NaN in JSON": ("user", {"n": float("nan")}, "no such number"),
    "Infinity in JSON": ("shorturl", [{"n": float("-inf")}], "no such number"),
    "a lone surrogate in JSON": ("user", {"n": "\ud800"}, "surrogate"),
    "a lone surrogate in a key": ("user", {"\udfff": 1}, "surrogate"),
    "NUL in a key": ("user", {"a\0b": 1}, "NUL"),
    "a lone surrogate in text": ("title", "\ud83d", "surrogate"),
    "too many levels": ("user", "nested", "levels"),
    "an integer beyond 64 bits": ("diggs", 2**63, "64 bits"),
}


def _value(value: Any) -> Any:
    if value != "nested":
        return value
    nested: Any = 1
    for _ in range(100):
        nested = [nested]
    return nested


def _save(world: World, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(world.a, name, value)
    world.a.save()


def _bulk_update(world: World, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(world.a, name, value)
    Story.objects.bulk_update([world.a, world.b], list(values))


WRITES: dict[str, Callable[[World, dict[str, Any]], Any]] = {
    "create": lambda _, values: Story.objects.create(**{**columns(), **values}),
    "save": _save,
    "update": lambda _, values: Story.objects.update(**values),
    "bulk_create": lambda _, values: Story.objects.bulk_create([story(), story(**values)]),
    "bulk_update": _bulk_update,
    "raw": lambda _, values: _raw(**values),
}


def _raw(**values: Any) -> None:
    with transaction.atomic():
        models.Model.save_base(story(**values), raw=True)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("what", UNPUBLISHABLE)
def test_refuses_values_that_cannot_be_published(world: World, what: str, write: str) -> None:
    name, value, sentence = UNPUBLISHABLE[what]

    with pytest.raises(Refused, match=sentence) as refusal:
        WRITES[write](world, {name: _value(value)})

    assert f"Column {name} " in str(refusal.value)
    assert events() == []
    assert table() == world.rows


def test_extreme_values_are_captured(world: World) -> None:
    edges: dict[str, Any] = {
        "n": [2**63 - 1, -(2**63), 0.1, -0.0, 1e300, True, None, "a\0b", "\U0010ffff", {}]
    }
    world.a.user, world.a.title = edges, "a\0b\u2028"

    world.a.save()

    (event,) = events()
    assert event.after == world.row("a", user=edges, title="a\0b\u2028")


def test_refuses_a_row_over_the_limit(world: World, settings: Any) -> None:
    settings.CDC = replace(settings.CDC, max_event_bytes=5_000)

    with pytest.raises(Refused, match="MAX_EVENT_BYTES is 5000"):
        Story.objects.filter(diggs=1).update(description="y" * 5_000)

    assert (events(), table()) == ([], world.rows)


def test_refuses_a_raw_save_outside_a_transaction(world: World) -> None:
    for one in (story(), world.a):
        one.title = "new"
        with pytest.raises(Refused, match=r"transaction\.atomic"):
            models.Model.save_base(one, raw=True)
        with pytest.raises(Refused, match=r"transaction\.atomic"):
            one.save_base(raw=True)

    assert (events(), table()) == ([], world.rows)


def _slice() -> models.QuerySet[Story]:
    return Story.objects.all()[:2]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A wrong call of Django's methods, with the error that Django raises."""

    error: type[Exception]
    write: Callable[[], Any]


unknown = {"nothing": 1}
WRONG = {
    "update of a slice": Wrong(TypeError, lambda: Story.objects.all()[:2].update(title="x")),
    "update of a union": Wrong(
        NotSupportedError, lambda: Story.objects.union(Story.objects.all()).update(title="x")
    ),
    "update of an unknown field": Wrong(Exception, lambda: Story.objects.update(**unknown)),
    "update by a join": Wrong(
        Exception, lambda: Story.objects.update(title=models.F("submitted_by__name"))
    ),
    "delete of a slice": Wrong(TypeError, lambda: _slice().delete()),
    "delete of values": Wrong(TypeError, lambda: Story.objects.values("title").delete()),
    "delete of a union": Wrong(
        NotSupportedError, lambda: Story.objects.union(Story.objects.all()).delete()
    ),
    "no batch": Wrong(ValueError, lambda: Story.objects.bulk_create([story()], batch_size=0)),
    "no batch to update": Wrong(
        ValueError, lambda: Story.objects.bulk_update([story(pk=1)], ["title"], batch_size=-1)
    ),
    "no key to update": Wrong(ValueError, lambda: Story.objects.bulk_update([story()], ["title"])),
    "both conflicts": Wrong(
        ValueError,
        lambda: Story.objects.bulk_create(
            [story()], ignore_conflicts=True, update_conflicts=True, update_fields=["title"]
        ),
    ),
    "no fields to update": Wrong(
        ValueError, lambda: Story.objects.bulk_create([story()], update_conflicts=True)
    ),
    "the key as a field to update": Wrong(
        Exception,
        lambda: Story.objects.bulk_create(
            [story()],
            update_conflicts=True,
            update_fields=["id".strip()],
            unique_fields=["source_id"],
        ),
    ),
    "a forced update of no row": Wrong(
        DatabaseError, lambda: story(pk=FREE).save(force_update=True)
    ),
    "update_fields of no row": Wrong(
        DatabaseError, lambda: story(pk=FREE).save(update_fields=["title"])
    ),
    "a duplicate": Wrong(IntegrityError, lambda: story(source_id="s1").save()),
    "duplicates": Wrong(
        IntegrityError, lambda: Story.objects.bulk_create([story(), story(source_id="s1")])
    ),
    "a duplicate by update": Wrong(
        IntegrityError, lambda: Story.objects.filter(diggs=2).update(source_id="s1")
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_django_s_own_errors_remain(world: World, what: str) -> None:
    with pytest.raises(WRONG[what].error):
        WRONG[what].write()

    assert (events(), table()) == ([], world.rows)


def test_a_conflict_outside_the_target_remains_an_error(world: World) -> None:
    if connection.vendor == "mysql":
        # MySQL updates the row after a conflict in any unique key.
        Story.objects.bulk_create(
            [story(pk=world.a.pk, source_id="s1", title="new")],
            update_conflicts=True,
            update_fields=["title"],
        )
        assert [event.after for event in events()] == [world.row("a", title="new")]
        return
    with pytest.raises(IntegrityError):
        Story.objects.bulk_create(
            [story(pk=world.a.pk, source_id="s2")],
            update_conflicts=True,
            update_fields=["source_id"],
            unique_fields=["pk"],
        )
    assert (events(), table()) == ([], world.rows)


def test_a_key_too_long_for_the_outbox_is_refused(world: World) -> None:
    Label.objects.create(text="a")

    with pytest.raises(Refused, match="is longer than 255") as refusal:
        Label(text="\x01" * 80).save()
    assert refusal.value.without_values.startswith("A key is longer than 255")

    assert list(table(Label)) == ["a"]
