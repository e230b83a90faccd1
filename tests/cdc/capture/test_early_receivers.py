"""Receivers for all senders that were connected before a captured model existed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete, pre_save

from cdc.capture import signals
from tests.cdc.capture.events import events, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Branch, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

OWN: dict[ModelSignal, Callable[..., None]] = {
    pre_save: signals._before_save,
    post_save: signals._after_save,
    pre_delete: signals._before_delete,
    post_delete: signals._after_delete,
}


@contextmanager
def earlier(signal: ModelSignal, act: Callable[[Any], Any]) -> Iterator[None]:
    """Call `act` once; its receiver is connected before capture's, as if by an earlier module."""
    done: list[Any] = []

    def receive(sender: Any, instance: Any, **_: Any) -> None:
        if sender in (Toy, Branch) and not done:
            done.append(instance)
            act(instance)

    with ExitStack() as stack:
        for one, own in OWN.items():
            one.disconnect(own, sender=Toy)
            one.disconnect(own, sender=Branch)
        signal.connect(receive)
        stack.callback(signal.disconnect, receive)
        signals.connect(Toy)
        signals.connect(Branch)
        yield
    assert done


def saved_again(one: Toy) -> None:
    one.place = 5
    one.save()


SAVES: dict[str, tuple[Callable[[Toy], Any], list[str]]] = {
    "save": (saved_again, ["c", "u"]),
    "update": (lambda one: Toy.objects.filter(pk=one.pk).update(place=5), ["c", "u"]),
    "delete": (lambda one: Toy.objects.filter(pk=one.pk).delete(), ["c", "d"]),
    "delete of the instance": (lambda one: one.delete(), ["c", "d"]),
}


@pytest.mark.parametrize("what", SAVES)
def test_a_write_in_post_save_comes_after_the_save(what: str) -> None:
    act, expected = SAVES[what]
    with earlier(post_save, act):
        Toy.objects.create(name="a")

    assert [event.op for event in events()] == expected
    assert replay(events()) == table(Toy)


def test_a_row_that_post_delete_inserts_again_is_created_after_its_delete() -> None:
    root = Branch.objects.create()
    keys = [Branch.objects.create(parent=root).pk for _ in range(2)]

    with earlier(post_delete, lambda _: Branch.objects.create(pk=keys[0])):
        root.delete()

    assert list(table(Branch)) == [keys[0]]
    assert replay(events()) == table(Branch)


@pytest.mark.parametrize("signal", [pre_save, pre_delete])
def test_a_write_in_a_pre_signal_is_part_of_the_before_image(signal: ModelSignal) -> None:
    one = Toy.objects.create(name="a")
    with earlier(signal, lambda toy: Toy.objects.filter(pk=toy.pk).update(shiny=False)):
        one.save() if signal is pre_save else one.delete()

    assert [event.op for event in events()] == ["c", "u", "u" if signal is pre_save else "d"]
    assert replay(events()) == table(Toy)


def test_the_order_of_other_receivers_is_kept() -> None:
    found: list[int] = []

    def first(sender: Any, **_: Any) -> None:
        if sender is Toy:
            found.append(1)

    def second(**_: Any) -> None:
        found.append(2)

    post_save.connect(first)
    post_save.connect(second, sender=Toy)
    try:
        signals.connect(Toy)
        signals.connect(Branch)
        Toy.objects.create(name="a")
    finally:
        post_save.disconnect(first)
        post_save.disconnect(second, sender=Toy)

    assert found == [1, 2]
