"""After a refusal before the first statement, the caller's transaction is still usable."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.signals import pre_save

from cdc.errors import Refused
from stories.models import Story
from tests.cdc.capture.events import events, replay
from tests.cdc.capture.world import World, columns, story, table
from tests.support.toy.models import Branch, Label

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

BAD = {"user": {"n": 2**63}}


def changed(world: World) -> Story:
    world.a.user = BAD["user"]
    return world.a


WRITES: dict[str, Callable[[World], Any]] = {
    "save": lambda world: changed(world).save(),
    "save of one field": lambda world: changed(world).save(update_fields=["user"]),
    "save of a new row": lambda _: story(**BAD).save(),
    "asave": lambda world: async_to_sync(changed(world).asave)(),
    "create": lambda _: Story.objects.create(**{**columns(), **BAD}),
    "get_or_create": lambda _: Story.objects.get_or_create(
        source_id="new", defaults={**columns(), **BAD}
    ),
    "update_or_create": lambda _: Story.objects.update_or_create(source_id="s1", defaults=BAD),
    "update": lambda _: Story.objects.update(**BAD),
    "bulk_create": lambda _: Story.objects.bulk_create([story(), story(**BAD)]),
    "bulk_create in batches": lambda _: Story.objects.bulk_create(
        [story(), story(**BAD)], batch_size=1
    ),
    "bulk_create, conflicts ignored": lambda _: Story.objects.bulk_create(
        [story(), story(**BAD)], ignore_conflicts=True
    ),
    "bulk_update": lambda world: Story.objects.bulk_update([world.b, changed(world)], ["user"]),
    "raw": lambda _: story(**BAD).save_base(raw=True),
    "a long key": lambda _: Label(text="\x01" * 80).save(),
    "a long key, created": lambda _: Label.objects.bulk_create([Label(text="\x01" * 80)]),
    "a long key, updated": lambda _: Label.objects.update(text="\x01" * 80),
}


@pytest.mark.parametrize("write", WRITES)
def test_the_transaction_goes_through(world: World, write: str) -> None:
    with transaction.atomic():
        world.b.title = "before"
        world.b.save()
        with pytest.raises(Refused):
            WRITES[write](world)
        world.c.title = "after"
        world.c.save()

    assert [event.row["title"] for event in events()] == ["before", "after"]
    assert table() == {
        **world.rows,
        world.b.pk: world.row("b", title="before"),
        world.c.pk: world.row("c", title="after"),
    }


@pytest.mark.parametrize("write", WRITES)
def test_a_nested_transaction_goes_through(world: World, write: str) -> None:
    with transaction.atomic():
        with transaction.atomic():
            with pytest.raises(Refused):
                WRITES[write](world)
            world.b.title = "inner"
            world.b.save()
        with transaction.atomic(savepoint=False), pytest.raises(Refused):
            WRITES[write](world)
        world.c.title = "outer"
        world.c.save()

    assert [event.row["title"] for event in events()] == ["inner", "outer"]


@pytest.mark.parametrize(
    "delete",
    [
        lambda one: one.delete(),
        lambda one: Branch.objects.filter(pk=one.pk).delete(),
        lambda _: Branch.objects.filter(size__lt=1000).delete(),
    ],
)
def test_a_protected_delete_leaves_the_transaction_usable(delete: Callable[[Branch], Any]) -> None:
    Branch.objects.bulk_create([Branch() for _ in range(600)])
    one = Branch.objects.create()
    Branch.objects.create(guard=one, size=1000)

    with transaction.atomic():
        with pytest.raises(ProtectedError):
            delete(one)
        one.size = 5
        one.save()

    assert len(table(Branch)) == 602
    assert [event.op for event in events()] == ["c"] * 602 + ["u"]
    assert replay(events()) == table(Branch)


def test_an_error_of_a_pre_save_receiver_leaves_the_transaction_usable(world: World) -> None:
    def refuse(instance: Story, **_: Any) -> None:
        if instance.title == "refused":
            raise ZeroDivisionError

    pre_save.connect(refuse, sender=Story)
    try:
        with transaction.atomic():
            with pytest.raises(ZeroDivisionError):
                story(title="refused").save()
            world.b.title = "after"
            world.b.save()
    finally:
        pre_save.disconnect(refuse, sender=Story)

    assert [event.row["title"] for event in events()] == ["after"]


def test_a_save_that_failed_before_does_not_end_a_later_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("cdc.capture.signals.record", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.a.save()

    def refuse(**_: Any) -> None:
        raise ZeroDivisionError

    with transaction.atomic():
        pre_save.connect(refuse, sender=Story)
        try:
            with pytest.raises(ZeroDivisionError):
                world.a.save()
        finally:
            pre_save.disconnect(refuse, sender=Story)
        world.b.title = "after"
        world.b.save()

    assert [event.row["title"] for event in events()] == ["after"]


def test_an_error_between_a_row_and_its_event_ends_the_transaction(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_then_go_on() -> None:
        with transaction.atomic():
            with monkeypatch.context() as patch:
                patch.setattr("cdc.capture.signals.record", lambda *_, **__: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    world.a.save()
            world.b.save()

    with pytest.raises(transaction.TransactionManagementError):
        save_then_go_on()

    assert (events(), table()) == ([], world.rows)


def test_a_refusal_after_a_statement_still_ends_the_transaction(world: World) -> None:
    def save_then_go_on() -> None:
        with transaction.atomic():
            with pytest.raises(Refused):
                story(description="x" * 2_000_000).save()
            world.b.save()

    with pytest.raises(transaction.TransactionManagementError):
        save_then_go_on()

    assert (events(), table()) == ([], world.rows)
