"""Deletes remove the same rows as in Django, with one event for each deleted row."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Count, RestrictedError
from django.db.models.signals import ModelSignal, post_delete, pre_delete
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.cdc.capture.events import events, forget, records, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import (
    Box,
    Branch,
    Bridge,
    Note,
    PlainBranch,
    PlainBridge,
    PlainTwig,
    Twig,
)

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def tree(children: int = 4, **columns: Any) -> tuple[Branch, list[Branch]]:
    root = Branch.objects.create(**columns)
    return root, [Branch.objects.create(parent=root, size=n) for n in range(children)]


def history() -> None:
    """Check that a replay of the events results in the table."""
    mine = [
        event
        for event, record in zip(events(), records(), strict=True)
        if record.table == "toy_branch"
    ]
    assert replay(mine) == table(Branch)


@contextmanager
def receiver(signal: ModelSignal, act: Callable[[Branch], Any], calls: int = 1) -> Iterator[None]:
    """Call `act` the first `calls` times that the signal is sent inside the block."""
    seen: list[Branch] = []

    def receive(instance: Branch, **_: Any) -> None:
        if len(seen) < calls:
            seen.append(instance)
            act(instance)

    signal.connect(receive, sender=Branch)
    try:
        yield
    finally:
        signal.disconnect(receive, sender=Branch)
    assert seen


def test_a_tree_is_deleted_with_its_root() -> None:
    root, _ = tree()

    assert Branch.objects.filter(pk=root.pk).delete() == (5, {"toy.Branch": 5})
    assert [event.op for event in events()] == ["c"] * 5 + ["d"] * 5
    assert Branch.objects.count() == 0
    history()


@pytest.mark.parametrize("size", [30, 1100])
def test_a_tree_of_several_chunks_is_deleted(size: int) -> None:
    root, children = tree(2)
    Branch.objects.bulk_create([Branch(parent=children[n % 2]) for n in range(size)])
    stays = Branch.objects.create(friend=root)

    assert Branch.objects.filter(friend=None).delete() == (size + 3, {"toy.Branch": size + 3})
    assert list(Branch.objects.values_list("pk", "friend")) == [(stays.pk, None)]
    history()


def test_a_restricted_row_goes_with_its_referrer_in_another_chunk() -> None:
    root = Branch.objects.create()
    Branch.objects.bulk_create([Branch() for _ in range(600)])
    Branch.objects.create(parent=root, tied=Branch.objects.first())

    assert Branch.objects.all().delete()[0] == 602
    history()


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
def test_a_receiver_deletes_other_rows_of_the_table(signal: ModelSignal) -> None:
    root, _ = tree(2)
    others = [Branch.objects.create(size=9).pk for _ in range(5)]

    with receiver(signal, lambda _: Branch.objects.filter(pk__in=others).delete(), calls=3):
        Branch.objects.filter(pk=root.pk).delete()

    assert Branch.objects.count() == 0
    assert [event.op for event in events()] == ["c"] * 8 + ["d"] * 8
    history()


def test_a_receiver_deletes_rows_of_the_running_delete() -> None:
    _, children = tree(3)

    with receiver(pre_delete, lambda _: Branch.objects.filter(size=2).delete()):
        Branch.objects.filter(parent__isnull=False).delete()

    assert len(children) == 3
    assert sorted(event.op for event in events()) == ["c"] * 4 + ["d"] * 3
    history()


def test_a_receiver_replaces_a_row_of_the_running_delete() -> None:
    _, children = tree(3)
    key = children[2].pk

    def replace(_: Branch) -> None:
        Branch.objects.filter(pk=key).delete()
        Branch.objects.create(pk=key, size=77)

    with receiver(pre_delete, replace):
        Branch.objects.filter(parent__isnull=False).delete()

    assert [event.op for event in events()].count("d") == 4
    history()


@pytest.mark.parametrize("act", ["update", "delete"])
def test_what_a_receiver_rolled_back_is_ignored(act: str) -> None:
    _, children = tree(3)
    rows = Branch.objects.filter(pk=children[2].pk)

    def rolled_back(one: Branch) -> None:
        with transaction.atomic():
            rows.update(size=77) if act == "update" else rows.delete()
            transaction.set_rollback(True)
        Branch.objects.filter(pk=one.pk).update(size=55)

    with receiver(pre_delete, rolled_back, calls=3):
        Branch.objects.filter(parent__isnull=False).delete()

    assert [event.op for event in events()].count("d") == 3
    assert Branch.objects.count() == 1
    history()


def test_a_receiver_changes_a_row_that_a_proxy_deletes_later() -> None:
    root, _ = tree(2)
    twig = Twig.objects.get(pk=root.pk)

    with receiver(post_delete, lambda _: Branch.objects.filter(pk=twig.pk).update(size=5)):
        Twig.objects.all().delete()

    assert Branch.objects.count() == 0
    history()


def test_a_cascade_from_an_uncaptured_model_has_its_events() -> None:
    box = Box.objects.create(name="a")
    notes = [Note.objects.create(subject=box, words=str(n)) for n in range(3)]
    Note.objects.create(pk=10_000, subject=Box.objects.create(name="b"), words="stays")
    forget()

    with receiver_of_notes(lambda _: Note.objects.filter(pk=notes[2].pk).delete()):
        box.delete()

    assert [event.op for event in events()] == ["d"] * 3
    assert list(Note.objects.values_list("words", flat=True)) == ["stays"]


@contextmanager
def receiver_of_notes(act: Callable[[Any], Any]) -> Iterator[None]:
    seen: list[Any] = []

    def receive(instance: Note, **_: Any) -> None:
        seen.append(instance)
        if len(seen) == 1:
            act(instance)

    pre_delete.connect(receive, sender=Note)
    try:
        yield
    finally:
        pre_delete.disconnect(receive, sender=Note)


SIZE = 8
LINK = st.one_of(st.none(), st.integers(0, SIZE - 1))
TREES = st.lists(st.tuples(LINK, LINK, LINK), min_size=SIZE, max_size=SIZE)
KEYS = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=4, unique=True)
BRIDGES = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=4)
FIRST = 1000
RESTRICTED = [*[(None, None, None)] * 2, (0, None, None), *[(None, None, None)] * 4, (0, None, 2)]
"""A row that is deleted by its key, and that restricts the cascading delete of another row."""

DELETES: dict[str, Callable[[Any, list[int]], Any]] = {
    "filter": lambda model, keys: model.objects.filter(pk__in=keys).delete(),
    "ordered": lambda model, keys: (
        model.objects.order_by("-size", "pk").filter(pk__in=keys).delete()
    ),
    "distinct": lambda model, keys: model.objects.filter(pk__in=keys).distinct().delete(),
    "join": lambda model, keys: model.objects.filter(bridges__end__in=keys).delete(),
    "parents": lambda model, keys: model.objects.filter(parent__size__in=keys).delete(),
    "annotated": lambda model, keys: (
        model.objects.annotate(n=Count("bridges")).filter(n__gt=0, pk__in=keys).delete()
    ),
    "instance": lambda model, keys: model.objects.get(pk=keys[0]).delete(),
    "none": lambda model, keys: model.objects.filter(pk__in=keys).none().delete(),
}


def grow(branch: Any, bridge: Any, links: list[Any], bridges: list[Any]) -> None:
    rows: models.QuerySet[Any] = models.QuerySet(branch)
    models.QuerySet(bridge)._raw_delete("default")
    rows.update(parent=None, friend=None, tied=None)
    rows._raw_delete("default")
    rows.bulk_create([branch(pk=FIRST + n, size=n) for n in range(SIZE)])
    for n, (parent, friend, tied) in enumerate(links):
        # A parent has a lower number than its child, so the rows are a tree.
        above = None if parent is None or parent >= n else FIRST + parent
        beside = None if friend is None else FIRST + friend
        to = None if tied is None or tied >= n else FIRST + tied
        rows.filter(pk=FIRST + n).update(parent=above, friend=beside, tied=to)
    models.QuerySet(bridge).bulk_create(
        [bridge(pk=n + 1, start_id=FIRST + a, end_id=FIRST + b) for n, (a, b) in enumerate(bridges)]
    )


def deleted(delete: str, model: Any, keys: list[int]) -> int:
    """Return the number of deleted rows. It is 0 if Django or MySQL refuses the delete."""
    try:
        with transaction.atomic():
            return int(DELETES[delete](model, keys)[0])
    except (RestrictedError, IntegrityError):
        return 0


def state(branch: Any, bridge: Any) -> list[Any]:
    return [
        *branch.objects.order_by("pk").values_list("pk", "parent", "friend", "tied"),
        *bridge.objects.order_by("pk").values_list("pk", "start", "end"),
    ]


@pytest.fixture
def observed() -> Iterator[None]:
    """Connect receivers to the plain models, because receivers change how Django deletes rows.

    Django then collects and orders the rows in another way. Therefore, on MySQL, which checks each
    foreign key at once, Django cannot delete some trees whose rows refer to a proxy.
    """

    def receive(**_: Any) -> None:
        """Do nothing."""

    plain = (PlainBranch, PlainTwig, PlainBridge)
    for model in plain:
        post_delete.connect(receive, sender=model)
    yield
    for model in plain:
        post_delete.disconnect(receive, sender=model)


@pytest.mark.parametrize("proxy", [False, True])
@pytest.mark.parametrize("delete", DELETES)
def test_a_delete_removes_what_django_removes_with_receivers(
    observed: None, delete: str, proxy: bool
) -> None:
    captured, plain = (Twig, PlainTwig) if proxy else (Branch, PlainBranch)

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TREES, BRIDGES, KEYS)
    @example(RESTRICTED, [(0, 0)], [0, 1, 7])
    def compare(links: list[Any], bridges: list[Any], numbers: list[int]) -> None:
        keys = [FIRST + number for number in numbers] if delete != "parents" else numbers
        grow(Branch, Bridge, links, bridges)
        grow(PlainBranch, PlainBridge, links, bridges)
        forget()
        Branch.objects.update(size=models.F("size"))
        Bridge.objects.update(start=models.F("start"))
        before = len(table(Branch)) + len(table(Bridge))

        count = deleted(delete, captured, keys)

        assert count == deleted(delete, plain, keys)
        assert state(Branch, Bridge) == state(PlainBranch, PlainBridge)
        found = [event for event in events() if event.op == "d"]
        assert len(found) == before - len(table(Branch)) - len(table(Bridge)) == count
        history_from_here()

    compare()


def history_from_here() -> None:
    """Check that a replay of the events results in the tables. The rows have no create events."""
    for model in (Branch, Bridge):
        left: dict[Any, Any] = {}
        for event, record in zip(events(), records(), strict=True):
            if record.table == model._meta.db_table:
                assert left.get(event.row["id"], event.before) == event.before
                left[event.row["id"]] = event.after
        assert {key: row for key, row in left.items() if row is not None} == table(model)
    assert connection.in_atomic_block is False
