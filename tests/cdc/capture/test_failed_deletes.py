"""After a failed delete, capture keeps no old image that it could mistake for the row."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete

from tests.cdc.capture.elsewhere import elsewhere
from tests.cdc.capture.events import events, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Branch, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

DELETES: dict[str, Callable[[Any], Any]] = {
    "instance": lambda one: one,
    "queryset": lambda one: Branch.objects.filter(pk=one.pk),
}
CHANGES: dict[str, Callable[[Branch], Any]] = {
    "save": lambda one: one.save(),
    "update": lambda one: Branch.objects.filter(pk=one.pk).update(size=3),
    "delete": lambda one: Branch.objects.get(pk=one.pk).delete(),
    "cascade": lambda one: one.parent and one.parent.delete(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("delete", DELETES)
def test_a_protected_row_is_read_again(delete: str, change: str) -> None:
    one = Branch.objects.create(size=1, parent=Branch.objects.create())
    guarded = Branch.objects.create(guard=one)
    origin = DELETES[delete](one)

    with pytest.raises(ProtectedError) as kept:
        origin.delete()
    elsewhere(lambda: Branch.objects.filter(pk=one.pk).update(size=2))
    elsewhere(lambda: Branch.objects.filter(pk=guarded.pk).delete())
    CHANGES[change](one)

    assert kept.value.args
    assert replay(events()) == table(Branch)


def test_a_row_of_a_failed_cascade_is_read_again() -> None:
    box = Box.objects.create(name="a")
    toy = Toy.objects.create(name="bear", box=box)

    def fail(**_: Any) -> None:
        raise ZeroDivisionError

    pre_delete.connect(fail, sender=Toy)
    try:
        with pytest.raises(ZeroDivisionError) as kept:
            box.delete()
    finally:
        pre_delete.disconnect(fail, sender=Toy)
    elsewhere(lambda: Toy.objects.filter(pk=toy.pk).update(place=2))
    toy.save()

    assert kept.tb
    assert replay(events()) == table(Toy)
