"""Other signal receivers that write to the same row during a save or a delete."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete, pre_save

from cdc.errors import Refused
from stories.models import Story
from tests.cdc.capture.events import created, deleted, events, updated
from tests.cdc.capture.world import FREE, World, story, table, wire

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@contextmanager
def once(signal: ModelSignal, act: Callable[[Story], Any]) -> Iterator[None]:
    """Call `act` the first time that the signal is sent inside the block."""
    done: list[Story] = []

    def receive(instance: Story, **_: Any) -> None:
        if not done:
            done.append(instance)
            act(instance)

    signal.connect(receive, sender=Story)
    try:
        yield
    finally:
        signal.disconnect(receive, sender=Story)
    assert done


def test_a_change_in_pre_save_is_part_of_the_before_image(world: World) -> None:
    with once(pre_save, lambda one: Story.objects.filter(pk=one.pk).update(media="video")):
        world.a.title = "new"
        world.a.save(update_fields=["title"])

    middle = world.row("a", media="video")
    assert events() == [
        updated(world.row("a"), middle),
        updated(middle, {**middle, "title": "new"}),
    ]


def test_a_row_inserted_in_pre_save_is_updated(world: World) -> None:
    with once(pre_save, lambda _: story(pk=FREE, title="first").save()):
        story(pk=FREE).save()

    first = wire(FREE, title="first")
    assert events() == [created(first), updated(first, wire(FREE))]


def test_a_save_in_post_save_is_recorded_after_the_first(world: World) -> None:
    def again(one: Story) -> None:
        one.media = "video"
        one.save()

    with once(post_save, again):
        new = story()
        new.save()

    first = wire(new.pk)
    assert events() == [created(first), updated(first, {**first, "media": "video"})]


def test_a_change_in_pre_delete_is_part_of_the_before_image(world: World) -> None:
    with once(pre_delete, lambda one: Story.objects.filter(pk=one.pk).update(media="video")):
        world.a.delete()

    middle = world.row("a", media="video")
    assert events() == [updated(world.row("a"), middle), deleted(middle)]


def test_a_row_created_again_in_post_delete_remains(world: World) -> None:
    with once(post_delete, lambda one: story(pk=one.pk).save()):
        Story.objects.filter(diggs__lt=3).delete()

    assert [event.op for event in events()] == ["d", "d", "c"]
    again = events()[2].row["id"]
    assert table() == {
        **{k: v for k, v in world.rows.items() if v["diggs"] > 2},
        again: wire(again),
    }


def test_a_savepoint_rolled_back_in_post_delete_keeps_the_delete(world: World) -> None:
    def rolled_back(_: Story) -> None:
        with transaction.atomic():
            world.d.title = "new"
            world.d.save()
            transaction.set_rollback(True)

    with once(post_delete, rolled_back):
        Story.objects.filter(diggs__lt=4).delete()

    assert events() == [deleted(world.row(name)) for name in "abc"]


def test_an_error_in_a_receiver_undoes_the_save(world: World) -> None:
    def fail(_: Story) -> None:
        raise ZeroDivisionError

    with once(post_save, fail), pytest.raises(ZeroDivisionError):
        world.a.delete() if world.a.pk is None else world.a.save()
    world.a.title = "new"
    world.a.save()

    assert events() == [updated(world.row("a"), world.row("a", title="new"))]


@contextmanager
def muted(*signals: ModelSignal) -> Iterator[None]:
    """Disconnect all receivers, as `factory.django.mute_signals` does."""
    receivers = [signal.receivers for signal in signals]
    for signal in signals:
        signal.receivers = []
        signal.sender_receivers_cache.clear()
    try:
        yield
    finally:
        for signal, kept in zip(signals, receivers, strict=True):
            signal.receivers = kept
            signal.sender_receivers_cache.clear()


MUTED: dict[str, Callable[[World], Any]] = {
    "save": lambda world: world.a.save(),
    "create": lambda _: story().save(),
    "delete": lambda world: world.a.delete(),
    "delete of a queryset": lambda world: Story.objects.filter(pk=world.a.pk).delete(),
}


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("write", MUTED)
def test_a_write_without_capture_is_refused(world: World, write: str, atomic: bool) -> None:
    world.a.title = "new"
    signals = (pre_save, post_save, pre_delete, post_delete)
    block = transaction.atomic() if atomic else nullcontext()

    with muted(*signals), pytest.raises(Refused, match="without an event"), block:
        MUTED[write](world)

    assert (events(), table()) == ([], world.rows)


def test_receivers_get_what_django_gives_them(world: World) -> None:
    seen: list[tuple[Any, ...]] = []

    def receive(instance: Story, raw: bool, using: str, update_fields: Any, **_: Any) -> None:
        seen.append((instance.pk, raw, using, update_fields))

    key = world.a.pk
    pre_save.connect(receive, sender=Story)
    try:
        world.a.save()
        world.a.save(update_fields=["title"])
        with transaction.atomic():
            world.a.save_base(raw=True, update_fields=["title"])
    finally:
        pre_save.disconnect(receive, sender=Story)

    title = frozenset({"title"})
    assert seen == [
        (key, False, "default", None),
        (key, False, "default", title),
        (key, True, "default", ["title"]),
    ]


def test_a_raw_save_writes_the_fields_that_are_named(world: World) -> None:
    world.a.title, world.a.media = "new", "video"
    with transaction.atomic():
        world.a.save_base(raw=True, update_fields=["title"])

    assert events() == [updated(world.row("a"), world.row("a", title="new"))]


def test_a_raw_save_may_require_a_row(world: World) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        story(pk=FREE).save_base(raw=True, force_update=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        story(pk=world.a.pk).save_base(raw=True, force_insert=True)

    assert (events(), table()) == ([], world.rows)
