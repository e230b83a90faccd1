"""Bulk writes send the same statements as Django, and have the same effect after an error."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import (
    DatabaseError,
    IntegrityError,
    NotSupportedError,
    connection,
    transaction,
)
from django.db.models import F, ProtectedError
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from cdc.capture import queryset
from cdc.errors import Refused
from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.events import events, forget, replay
from tests.cdc.capture.world import World, story, table
from tests.support.toy.models import Box, Branch, Label, Lid, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def statements(verb: str, act: Callable[[], Any], name: str = "stories_story") -> int:
    """Return how many statements of a kind a write sends for a table."""
    with CaptureQueriesContext(connection) as queries:
        act()
    start = f"{verb} {connection.ops.quote_name(name)}"
    return sum(query["sql"].startswith(start) for query in queries)


@pytest.mark.parametrize(("size", "expected"), [(None, 3), (1, 5), (2, 3), (4, 3)])
def test_batches_are_no_larger_than_a_chunk(
    monkeypatch: pytest.MonkeyPatch, size: int | None, expected: int
) -> None:
    monkeypatch.setattr(queryset, "CHUNK", 2)
    rows = [story(diggs=n) for n in range(5)]

    inserts = statements("INSERT INTO", lambda: Story.objects.bulk_create(rows, batch_size=size))
    for row in rows:
        row.diggs += 10
    updates = statements(
        "UPDATE", lambda: Story.objects.bulk_update(rows, ["diggs"], batch_size=size)
    )

    assert (inserts, updates) == (expected, expected)
    assert [event.op for event in events()] == ["c"] * 5 + ["u"] * 5
    assert replay(events()) == table()


def test_a_write_of_nothing_is_nothing(world: World) -> None:
    assert Story.objects.update() == 0
    assert Story.objects.bulk_create([]) == []
    assert Story.objects.bulk_update([], ["title"]) == 0
    assert Story.objects.none().update(title="new") == 0
    assert Story.objects.none().delete() == (0, {})

    assert (events(), table()) == ([], world.rows)


def test_an_unknown_field_is_django_s_own_error(world: World) -> None:
    rows: Any = Story.objects.all()
    with pytest.raises(FieldDoesNotExist):
        rows.bulk_update([world.a], ["nothing"])
    with pytest.raises(FieldDoesNotExist):
        rows.bulk_create(
            [story()], update_conflicts=True, update_fields=["nothing"], unique_fields=["pk"]
        )

    assert (events(), table()) == ([], world.rows)


FAILING: dict[str, Callable[[], Any]] = {
    "update": lambda: Story.objects.filter(diggs=2).update(source_id="s1"),
    "bulk_create": lambda: Story.objects.bulk_create([story(source_id="s1")]),
}


@pytest.mark.parametrize("write", FAILING)
def test_an_error_of_a_statement_ends_the_transaction_as_in_django(
    world: World, write: str
) -> None:
    def fail_then_read() -> None:
        with transaction.atomic():
            with pytest.raises(IntegrityError):
                FAILING[write]()
            Story.objects.count()

    with pytest.raises(TransactionManagementError):
        fail_then_read()

    assert (events(), table()) == ([], world.rows)


def test_a_delete_that_is_protected_leaves_the_transaction_usable() -> None:
    guard = Branch.objects.create()
    Branch.objects.create(guard=guard)
    forget()
    with transaction.atomic():
        with pytest.raises(ProtectedError):
            Branch.objects.filter(pk=guard.pk).delete()
        Branch.objects.filter(pk=guard.pk).update(size=3)

    assert [event.op for event in events()] == ["u"]


def test_an_update_counts_the_rows_and_writes_only_those(world: World) -> None:
    assert Story.objects.filter(diggs__gte=3).update(diggs=F("diggs") * 10, title="new") == 2

    assert [(event.row["diggs"], event.row["title"]) for event in events()] == [
        (30, "new"),
        (40, "new"),
    ]
    assert table()[world.a.pk] == world.row("a")


def test_keys_that_change_are_counted_and_in_order() -> None:
    Label.objects.bulk_create([Label(text=text) for text in "ab"])
    forget()
    with pytest.raises(DatabaseError):
        Label.objects.update(text="c")
    assert events() == []

    assert Label.objects.filter(text__in="b").update(text="c", size=F("size") + 1) == 1
    assert Label.objects.filter(text="no").update(text="d") == 0
    assert [(event.op, event.row) for event in events()] == [
        ("d", {"text": "b", "size": 1}),
        ("c", {"text": "c", "size": 2}),
    ]


def test_a_join_that_returns_a_row_twice_writes_it_once() -> None:
    parents = [Branch.objects.create(size=n) for n in range(2)]
    Branch.objects.bulk_create([Branch(parent=parent, size=9) for parent in parents * 2])
    forget()

    assert Branch.objects.filter(branch_children__size=9).update(size=5) == 2
    assert [event.row["id"] for event in events()] == sorted(parent.pk for parent in parents)
    assert Branch.objects.filter(branch_children__size=9).delete()[1] == {"toy.Branch": 6}


def test_annotated_rows_are_written_by_their_key_only(world: World) -> None:
    doubled = Story.objects.annotate(twice=F("diggs") * 2)

    assert doubled.filter(twice__gt=5).update(comments=F("twice")) == 2

    assert [event.row["comments"] for event in events()] == [6, 8]
    assert table()[world.a.pk] == world.row("a")


def test_a_queryset_that_deleted_sees_what_comes_later(world: World) -> None:
    updated, deleted = Story.objects.filter(diggs=10), Story.objects.filter(diggs=10)
    assert (updated.update(title="new"), deleted.delete()) == (0, (0, {}))
    story().save()

    assert (len(updated), len(deleted)) == (1, 1)


SENTENCES: dict[str, Callable[[], Any]] = {
    "Cannot update a query once a slice": lambda: Story.objects.all()[:2].update(title="x"),
    r"Calling QuerySet.update\(\) after union": lambda: _union().update(title="x"),
    "Cannot use 'limit' or 'offset' with delete": lambda: _slice().delete(),
    r"Calling QuerySet.delete\(\) after union": lambda: _union().delete(),
    r"Cannot call delete\(\) after .distinct": lambda: Story.objects.distinct("title").delete(),
    r"Cannot call delete\(\) after .values": lambda: Story.objects.values("title").delete(),
}


def _slice() -> Any:
    return Story.objects.all()[:2]


def _union() -> Any:
    return Story.objects.union(Story.objects.all())


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_wrong_use_has_django_s_own_sentence(world: World, sentence: str) -> None:
    with pytest.raises((TypeError, NotSupportedError), match=sentence):
        SENTENCES[sentence]()

    assert (events(), table()) == ([], world.rows)


def test_a_target_is_checked_before_anything_is_written(world: World) -> None:
    rows: Any = Story.objects.all()
    options = {"update_conflicts": True, "update_fields": ["title"]}
    with transaction.atomic():
        with pytest.raises((FieldDoesNotExist, NotSupportedError)):
            rows.bulk_create([story()], unique_fields=["nothing"], **options)
        assert Story.objects.count() == len(world.rows), "the transaction remains usable"

    assert (events(), table()) == ([], world.rows)


def test_options_of_a_plain_model_are_django_s(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_by_model", {})
    rows = [story(source_id="s1", title="new"), story(source_id="s9")]
    Story.objects.bulk_create(rows, ignore_conflicts=True)

    titles = Story.objects.filter(source_id__in=["s1", "s9"]).values_list("title", flat=True)
    assert list(titles) == [world.a.title] * 2
    assert events() == []


@pytest.mark.parametrize("name", ["box", "box_id"])
def test_a_key_that_is_a_reference_may_change(name: str) -> None:
    old, new = Box.objects.create(name="old"), Box.objects.create(name="new")
    Lid.objects.create(box=old, seat=3)
    value = new if name == "box" else new.pk

    assert Lid.objects.filter(box=old).update(**{name: value}, seat=4) == 1

    assert [(event.op, event.row["box_id"], event.row["seat"]) for event in events()] == [
        ("c", old.pk, 3),
        ("d", old.pk, 3),
        ("c", new.pk, 4),
    ]


@pytest.mark.parametrize("name", ["box", "box_id"])
def test_a_reference_is_refused_early_by_either_name(name: str) -> None:
    toy = Toy.objects.create(name="a")
    forget()
    with transaction.atomic():
        with pytest.raises(Refused, match="Column box_id "):
            Toy.objects.update(**{name: 2**63})
        toy.place = 5
        toy.save()

    assert [event.row["place"] for event in events()] == [5]
