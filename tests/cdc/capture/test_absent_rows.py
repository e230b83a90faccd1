"""Rows that other transactions delete and insert again while a cascade runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import ModelSignal, post_delete, pre_delete

from cdc.capture import signals
from tests.cdc.capture.elsewhere import elsewhere
from tests.cdc.capture.events import events, forget, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Branch, Label, Lid, Sticker, Toy

pytestmark = [
    pytest.mark.database,
    pytest.mark.row_locks,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that simulates another connection.

    The connection deletes a row just before capture locks it, and inserts a row afterwards.
    """

    def race(model: Any, key: Any, insert: Callable[[], Any]) -> None:
        lock = signals._lock
        done: list[Any] = []

        def racing(instance: Any, *args: Any) -> Any:
            if not isinstance(instance, model) or instance.pk != key or done:
                return lock(instance, *args)
            done.append(key)
            elsewhere(lambda: model.objects.filter(pk=key).delete())
            found = lock(instance, *args)
            assert found == {}
            elsewhere(insert)
            return found

        monkeypatch.setattr(signals, "_lock", racing)

    return race


@contextmanager
def receiver(signal: ModelSignal, act: Callable[[Toy], Any]) -> Iterator[None]:
    def receive(instance: Toy, **_: Any) -> None:
        act(instance)

    signal.connect(receive, sender=Toy)
    try:
        yield
    finally:
        signal.disconnect(receive, sender=Toy)


@pytest.mark.parametrize("atomic", [False, True])
def test_a_row_that_others_insert_again_is_left_alone(others: Any, atomic: bool) -> None:
    box = Box.objects.create(name="a")
    for key in (5, 7, 9):
        Toy.objects.create(pk=key, name=str(key), box=box)
    others(Toy, 7, lambda: Toy.objects.create(pk=7, name="again"))

    if atomic:
        with transaction.atomic():
            box.delete()
            Toy.objects.filter(name="none").delete()
    else:
        box.delete()

    assert list(table(Toy)) == [7]
    assert replay(events()) == table(Toy)
    # The next delete is not affected.
    assert Toy.objects.filter(pk=7).delete()[0] == 1
    assert replay(events()) == {}


def test_a_row_of_a_tree_that_others_insert_again_is_left_alone(others: Any) -> None:
    root = Branch.objects.create(pk=1)
    Branch.objects.create(pk=2, parent=root)
    others(Branch, 2, lambda: Branch.objects.create(pk=2, size=5))

    assert root.delete()[0] == 1
    assert list(table(Branch)) == [2]
    assert replay(events()) == table(Branch)


def test_a_row_that_is_not_inserted_again_stays_deleted(others: Any) -> None:
    box = Box.objects.create(name="a")
    Toy.objects.create(pk=7, name="a", box=box)
    others(Toy, 7, lambda: None)

    assert box.delete() == (1, {"toy.Box": 1})
    assert replay(events()) == table(Toy) == {}


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
def test_a_receiver_can_delete_the_row_of_others(others: Any, signal: ModelSignal) -> None:
    box = Box.objects.create(name="a")
    for key in (7, 9):
        Toy.objects.create(pk=key, name=str(key), box=box)
    others(Toy, 7, lambda: Toy.objects.create(pk=7, name="again"))

    with receiver(signal, lambda one: one.pk == 9 and Toy.objects.filter(pk=7).delete()):
        box.delete()

    assert replay(events()) == table(Toy) == {}


def test_rows_with_other_keys_are_left_alone(others: Any) -> None:
    box = Box.objects.create(name="a")
    lid = Lid.objects.create(box=box)
    Sticker.objects.create(pk=3, lid=lid, label=Label.objects.create(text="a"))
    forget()
    other = Lid.objects.create(box=Box.objects.create(name="b"))
    others(Sticker, 3, lambda: Sticker.objects.create(pk=3, lid=other, label_id="a"))

    box.delete()

    assert list(table(Sticker)) == [3]
    assert table(Sticker)[3]["lid_id"] == other.pk
