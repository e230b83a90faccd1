"""Each write first locks its rows, so no other transaction changes them before the write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Concat

from cdc.capture import images
from cdc.capture.images import images_after, images_where, keys_after, read_image, read_images
from cdc.capture.queryset import CHUNK
from cdc.capture.resend import send_state
from cdc.registry import Capture, registry
from stories.models import Story
from tests.cdc.capture.test_bulk_create import upsert_any_key
from tests.cdc.capture.world import World, story
from tests.support.toy.models import Label, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
_LOCK = " FOR UPDATE"


def captured(model: Any = Story) -> Capture:
    found = registry.find(model)
    assert found is not None
    return found


@pytest.fixture
def locking(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make Django add `FOR UPDATE` on SQLite, too; `statements` removes it from the SQL.

    The `world` is created before that, because the save of a person locks its row.
    """
    images._statement.cache_clear()
    monkeypatch.setattr(connection.features, "has_select_for_update", True)
    yield
    images._statement.cache_clear()


@contextmanager
def statements(table: str = "stories_story") -> Iterator[list[str]]:
    """Collect `lock`, `read` or `write` for each statement on the table; merge repetitions."""
    kinds: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        verb, _, text = sql.partition(" ")
        if f"{connection.ops.quote_name(table)}" in text and "SAVEPOINT" not in sql:
            kind = "lock" if sql.endswith(_LOCK) else "read" if verb == "SELECT" else "write"
            kinds.append(kind)
        plain = sql.removesuffix(_LOCK) if connection.vendor == "sqlite" else sql
        return execute(plain, *rest)

    with connections["default"].execute_wrapper(note):
        yield kinds
    kinds[:] = [kind for kind, _ in groupby(kinds)]


WRITES: dict[str, Callable[[World], Any]] = {
    "save": lambda world: world.a.save(),
    "save of some fields": lambda world: world.a.save(update_fields=["title"]),
    "delete": lambda world: world.a.delete(),
    "update": lambda _: Story.objects.update(title="new"),
    "update of the key": lambda world: Story.objects.filter(pk=world.a.pk).update(id=2**40),
    "bulk_update": lambda world: Story.objects.bulk_update([world.a, world.b], ["title"]),
    "delete of a queryset": lambda _: Story.objects.all().delete(),
    "a cascade": lambda world: world.a.delete(),
    "upsert of any key": lambda _: upsert_any_key(story(source_id="s1"), "title"),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_row_is_locked_before_it_is_written(locking: None, world: World, write: str) -> None:
    with statements() as kinds:
        WRITES[write](world)

    before = kinds[: kinds.index("write")]
    assert "lock" in before, kinds


@pytest.mark.parametrize("order", ["pk", "-pk"])
def test_rows_are_locked_in_the_order_of_their_keys(locking: None, order: str) -> None:
    """Two writes that lock the same rows in opposite orders would wait for each other."""
    Label.objects.bulk_create([Label(text=f"{number:03}") for number in range(CHUNK + 1)])
    locked: list[Any] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        if sql.endswith(_LOCK):
            locked.append(params)
        return execute(sql, params, *rest)

    with connections["default"].execute_wrapper(note), statements("toy_label"):
        Label.objects.order_by(order).update(size=2)

    assert [sorted(keys) for keys in locked] == [
        [f"{number:03}" for number in range(CHUNK)],
        [f"{CHUNK:03}"],
    ]


def test_a_row_is_locked_before_it_is_sent(locking: None, world: World) -> None:
    with statements() as kinds:
        send_state(captured(), [world.a.pk], using="default")

    assert kinds == ["lock"]


def test_only_what_will_be_written_is_locked(locking: None, world: World) -> None:
    with transaction.atomic(), statements() as kinds:
        read_image(captured(), world.a.pk, using="default")
        read_images(captured(), [world.a.pk], using="default")
        images_where(captured(), Q(), using="default")
        images_after(captured(), None, 9, Q(), using="default")
        keys_after(captured(), None, 9, Q(), using="default")
        list(QuerySet(Story))

    assert kinds == ["read"]
    assert len(images_after(captured(), None, 9, Q(), using="default")) == 4


@pytest.mark.skipif(connection.vendor != "sqlite", reason="MySQL stores any text as a code")
def test_a_row_that_cannot_be_read_is_read_again_without_a_lock(locking: None) -> None:
    toy = Toy.objects.create(name="a")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE toy_toy SET code = 'no code'")
    with transaction.atomic(), statements("toy_toy") as kinds:
        read_image(captured(Toy), toy.pk, using="default", lock=True)

    assert kinds == ["lock", "read"]


def test_an_insert_locks_nothing(locking: None, world: World) -> None:
    with statements() as kinds:
        Story.objects.bulk_create([story(), story()])
        story().save()

    assert "lock" not in kinds


def test_a_key_computed_from_the_old_one_is_locked_first(locking: None) -> None:
    Label.objects.create(text="a")
    with statements("toy_label") as kinds:
        Label.objects.update(text=Concat(F("text"), Value("b")))

    assert "lock" in kinds[: kinds.index("write")]
    assert list(Label.objects.values_list("text", flat=True)) == ["ab"]
