"""Writes do not wait for row locks on rows that they do not change."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from tests.cdc.capture.events import events, forget, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Branch, Note, Toy

pytestmark = [
    pytest.mark.database,
    pytest.mark.row_locks,
    pytest.mark.django_db(transaction=True),
]

PATIENCE = 60


@contextmanager
def uncommitted(write: Callable[[], Any]) -> Iterator[None]:
    """Keep another transaction's write uncommitted. A wait for its locks raises an error."""
    written, done = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                write()
                written.set()
                assert done.wait(PATIENCE)
                transaction.set_rollback(True)
        finally:
            written.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(run)
        assert written.wait(PATIENCE)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
            yield
        finally:
            done.set()
            connection.close()
            other.result()


def toys(rows: int) -> list[int]:
    """Create toys, of which every second one is shiny, and delete the toy in the middle.

    Return the deleted key, followed by all keys.
    """
    Toy.objects.bulk_create([Toy(name=f"t{n}", place=n, shiny=n % 2 == 1) for n in range(rows)])
    keys = list(Toy.objects.values_list("pk", flat=True))
    Toy.objects.filter(pk=keys[rows // 2]).delete()
    return [keys[rows // 2], *keys]


WRITES: dict[str, Callable[[], Any]] = {
    "update": lambda: Toy.objects.filter(shiny=True).update(place=7),
    "ordered update": lambda: (
        Toy.objects.filter(shiny=True).order_by("-place").update(place=F("place") + 1)
    ),
    "annotated update": lambda: (
        Toy.objects.annotate(n=F("place") + 1).filter(n__gt=0, shiny=True).update(place=F("n"))
    ),
    "bulk_update": lambda: Toy.objects.bulk_update(Toy.objects.filter(shiny=True), ["place"]),
    "delete": lambda: Toy.objects.filter(shiny=True).delete(),
    "delete all": lambda: Toy.objects.all().delete(),
    "update all": lambda: Toy.objects.update(place=F("place") + 1),
}


@pytest.mark.parametrize("rows", [4, 100, 200])
@pytest.mark.parametrize("write", WRITES)
def test_an_unrelated_insert_is_not_waited_for(write: str, rows: int) -> None:
    unused = toys(rows)[0]

    with uncommitted(lambda: Toy.objects.create(pk=unused, name="new")):
        WRITES[write]()

    assert replay(events()) == table(Toy)


@pytest.mark.parametrize("rows", [4, 200])
@pytest.mark.parametrize("write", ["update", "delete"])
def test_an_unrelated_update_is_not_waited_for(write: str, rows: int) -> None:
    toys(rows)
    other = Toy.objects.filter(shiny=False)[:1].get()

    with uncommitted(lambda: Toy.objects.filter(pk=other.pk).update(name="new")):
        WRITES[write]()

    assert replay(events()) == table(Toy)


@pytest.mark.parametrize("instance", [False, True])
def test_the_delete_of_a_tree_does_not_wait(instance: bool) -> None:
    root = Branch.objects.create()
    Branch.objects.bulk_create([Branch(parent=root) for _ in range(50)])
    Branch.objects.bulk_create([Branch() for _ in range(50)])
    rows = root if instance else Branch.objects.filter(pk=root.pk)

    with uncommitted(Branch.objects.create):
        assert rows.delete()[0] == 51

    assert replay(events()) == table(Branch)


@pytest.mark.parametrize("instance", [False, True])
def test_a_cascade_does_not_wait(instance: bool) -> None:
    boxes = [Box.objects.create(name=name) for name in "ab"]
    made = [Toy(name=f"{box}{n}", box=box, place=n) for box in boxes for n in range(50)]
    Toy.objects.bulk_create(made)
    Note.objects.bulk_create([Note(subject=toy) for toy in made])
    forget()

    def insert() -> None:
        Note.objects.create(subject=Toy.objects.create(name="new", box=boxes[1]))

    with uncommitted(insert):
        (boxes[0] if instance else Box.objects.filter(pk=boxes[0].pk)).delete()

    assert [event.op for event in events()] == ["d"] * 100
    Box.objects.count()  # the first statement after the delete
    assert connection.execute_wrappers == []


def test_a_note_s_delete_does_not_wait_for_a_new_note() -> None:
    notes = [Note.objects.create(subject=Toy.objects.create(name=str(n))) for n in range(100)]
    forget()

    with uncommitted(lambda: Note.objects.create(subject=notes[0].subject)):
        Note.objects.filter(pk__in=[note.pk for note in notes[::2]]).delete()

    assert [event.op for event in events()] == ["d"] * 50
