"""The work of a delete is proportional to the number of its rows, not to its square."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from django.db import connection, models
from django.db.models.signals import ModelSignal, post_delete, pre_delete
from django.test.utils import CaptureQueriesContext

from cdc.capture import instance_state, queryset
from cdc.capture.instance_state import last_recorded
from cdc.models import OutboxRecord
from cdc.outbox import table as outbox
from tests.cdc.capture.events import events, forget, records, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Branch, Note, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

FEW = 40


@contextmanager
def receiver(signal: ModelSignal, sender: Any, act: Callable[[Any], Any]) -> Iterator[None]:
    def receive(instance: Any, **_: Any) -> None:
        act(instance)

    signal.connect(receive, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receive, sender=sender)


def operations(act: Callable[[], Any]) -> int:
    """Return how many bytecode instructions of `instance_state` are executed by a call."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename != instance_state.__file__:
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def box_of(number: int) -> Box:
    box = Box.objects.create(name="a")
    Toy.objects.bulk_create(Toy(name=str(n), box=box, place=n) for n in range(number))
    return box


def cascade(number: int) -> Callable[[], Any]:
    return box_of(number).delete


def cascade_with_changes(number: int) -> Callable[[], Any]:
    box = box_of(number)

    def delete() -> None:
        with receiver(
            pre_delete, Toy, lambda one: Toy.objects.filter(pk=one.pk).update(shiny=False)
        ):
            box.delete()

    return delete


def tree(number: int) -> Callable[[], Any]:
    root = Branch.objects.create()
    Branch.objects.bulk_create(Branch(parent=root, friend=root) for _ in range(number))
    return root.delete


def cleared_references(number: int) -> Callable[[], Any]:
    root = Branch.objects.create()
    Branch.objects.bulk_create(Branch(friend=root) for _ in range(number))
    return root.delete


def references_to_many(number: int) -> Callable[[], Any]:
    Branch.objects.bulk_create(Branch(size=1) for _ in range(number))
    Branch.objects.bulk_create(Branch(friend=one) for one in Branch.objects.filter(size=1))
    return Branch.objects.filter(size=1).delete


def generic_relation(number: int) -> Callable[[], Any]:
    box = Box.objects.create(name="a")
    Note.objects.bulk_create(Note(subject=box, words=str(n)) for n in range(number))
    return box.delete


def one_by_one(number: int) -> Callable[[], Any]:
    """Delete the rows one by one, with querysets that all exist until the end."""
    Branch.objects.bulk_create(Branch() for _ in range(number))
    querysets = [Branch.objects.filter(pk=one.pk) for one in Branch.objects.all()]

    def delete() -> None:
        for one in querysets:
            one.delete()

    return delete


DELETES: dict[str, Callable[[int], Callable[[], Any]]] = {
    "a cascade": cascade,
    "a cascade with a receiver that writes": cascade_with_changes,
    "a tree": tree,
    "references set to NULL": cleared_references,
    "references to many rows": references_to_many,
    "a generic relation": generic_relation,
    "many querysets": one_by_one,
}


def parameters(act: Callable[[], Any]) -> int:
    """Return how many statements a call executes, plus the number of their parameters."""
    count = 0

    def add(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        nonlocal count
        count += 1 + len(params or ())
        return execute(sql, params, *rest)

    with connection.execute_wrapper(add):
        act()
    return count


@pytest.mark.parametrize("measure", [operations, parameters])
@pytest.mark.parametrize("delete", DELETES)
def test_twice_as_many_rows_are_twice_the_work(
    delete: str, measure: Callable[[Any], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queryset, "CHUNK", 5)
    found = []
    for number in (FEW, 2 * FEW):
        act = DELETES[delete](number)
        found.append(measure(act))
        for model in (Branch, Toy, Note):
            models.QuerySet(model).delete()

    assert 0 < found[1] < 2.2 * found[0], found


@pytest.mark.parametrize("delete", ["a cascade", "a tree", "a generic relation"])
def test_the_events_of_a_cascade_are_written_together(delete: str) -> None:
    act = DELETES[delete](120)
    forget()
    with CaptureQueriesContext(connection) as queries:
        act()

    start = f"INSERT INTO {connection.ops.quote_name(OutboxRecord._meta.db_table)}"
    inserts = [query for query in queries if query["sql"].startswith(start)]
    found = Counter(event.op for event in events())
    assert found["d"] >= 120
    # One INSERT for each 50 events of a kind, rounded up.
    assert len(inserts) == sum(-(-count // outbox._ROWS_PER_INSERT) for count in found.values())


def test_a_model_has_one_object_while_a_cascade_runs() -> None:
    found: list[int] = []
    box = box_of(10)

    with receiver(pre_delete, Toy, lambda _: found.append(len(instance_state._running("default")))):
        box.delete()

    assert found == [1] * 10
    assert instance_state._running("default") == []


@pytest.mark.parametrize("delete", ["a cascade", "a tree"])
def test_a_row_that_post_delete_inserts_again_is_created_after_its_delete(delete: str) -> None:
    """This holds even if the signal of this row is sent later."""
    act = DELETES[delete](4)
    model: Any = Toy if delete == "a cascade" else Branch
    keys = set(model.objects.values_list("pk", flat=True))
    again: list[int] = []

    def insert(one: Any) -> None:
        if not again:
            again.extend(keys - {one.pk})
            for key in again:
                model.objects.create(pk=key, **{"name": str(key)} if model is Toy else {})

    with receiver(post_delete, model, insert):
        act()

    assert sorted(table(model)) == sorted(again)
    assert replay(events()) == table(model)


def test_a_row_that_pre_delete_inserts_again_has_an_event() -> None:
    """Capture finds no row to lock, but Django deletes the row that a receiver inserts later."""
    act = cascade(3)
    first, _, last = Toy.objects.order_by("pk").values_list("pk", flat=True)

    def replace(one: Toy) -> None:
        if one.pk == first:
            Toy.objects.filter(pk=last).delete()
        if one.pk == last and not Toy.objects.filter(pk=last).exists():
            Toy.objects.create(pk=last, name="again")

    with receiver(pre_delete, Toy, replace):
        act()

    assert [event.op for event in events()] == [*"ccc", "d", "c", *"ddd"]
    assert replay(events()) == table(Toy) == {}


def test_each_deleted_instance_has_the_id_of_its_event() -> None:
    root = Branch.objects.create()
    key = root.pk
    Branch.objects.bulk_create(Branch(parent=root) for _ in range(3))
    seen: dict[int, int] = {}  # 0: the row was already deleted when its own delete began

    def delete_the_last(one: Branch) -> None:
        if one.pk == key:
            Branch.objects.filter(pk=key + 3).delete()

    def note(one: Branch) -> None:
        recorded = last_recorded(one)
        assert recorded is not None
        seen[one.pk] = recorded.outbox_id

    with (
        receiver(pre_delete, Branch, delete_the_last),
        receiver(post_delete, Branch, note),
    ):
        root.delete()

    rows = [event.row["id"] for event in events()]
    # The last event of each row is its delete.
    ids = {row: record.id for row, record in zip(rows, records(), strict=True)}
    first = min(ids[found] for found in (key, key + 1, key + 2))
    assert seen == {key: first, key + 1: first, key + 2: first, key + 3: 0}
