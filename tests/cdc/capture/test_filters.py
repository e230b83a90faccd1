"""`update()` and `delete()` write all rows that the queryset returns, whatever its filter is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Window,
)
from django.db.models.functions import Random, RowNumber

from cdc.capture import queryset
from cdc.errors import Refused
from tests.cdc.capture.events import events, forget, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Branch

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

Rows = QuerySet[Branch, Any]
FIRST = 1000
CHILDREN = (7, 8, 9, 10)


def number_in_size() -> Window:
    return Window(RowNumber(), partition_by=[F("size")], order_by="id")


def duplicates() -> Any:
    return Branch.objects.annotate(number=number_in_size()).filter(number__gt=1)


def largest() -> Rows:
    return Branch.objects.order_by("-size").values("size")[:1]


FILTERS: dict[str, Callable[[], Rows]] = {
    "a window": duplicates,
    "a window in an alias": lambda: Branch.objects.alias(n=number_in_size()).exclude(n=1),
    "a window or a column": lambda: Branch.objects.annotate(n=number_in_size()).filter(
        Q(n__gt=2) | Q(size=1)
    ),
    "the newest": lambda: Branch.objects.annotate(
        n=Window(RowNumber(), order_by=F("id").desc())
    ).filter(n__gt=3),
    "a sum so far": lambda: Branch.objects.annotate(
        total=Window(Sum("size"), order_by="id")
    ).filter(total__gt=3),
    "a distinct window": lambda: duplicates().distinct(),
    "a window in a subquery": lambda: Branch.objects.filter(pk__in=duplicates().values("pk")),
    "an aggregate": lambda: Branch.objects.annotate(n=Count("branch_children")).filter(n__gt=1),
    "an aggregate and a window": lambda: Branch.objects.annotate(
        n=Max("branch_children__size"), number=number_in_size()
    ).filter(number__gt=1),
    "distinct": lambda: Branch.objects.distinct().order_by("size").filter(size__gt=0),
    "exists": lambda: Branch.objects.filter(
        Exists(Branch.objects.filter(size=OuterRef("size"), id__lt=OuterRef("id")))
    ),
    "the largest": lambda: Branch.objects.filter(size=Subquery(largest())),
    "SQL": lambda: Branch.objects.extra(
        where=["toy_branch.size > (SELECT AVG(size) FROM toy_branch b)"]
    ),
    "ordered by SQL": lambda: Branch.objects.extra(
        select={"twice": "size * 2"}, order_by=["-twice"]
    ).filter(size=1),
    "a filtered relation": lambda: Branch.objects.annotate(
        child=FilteredRelation("branch_children", condition=Q(branch_children__size__gt=0))
    ).filter(child__size__gt=0),
    "reversed": lambda: Branch.objects.order_by("size").reverse().filter(size__gt=0),
}


# On MySQL, an UPDATE keeps the queryset's ORDER BY, which cannot contain a window function.
ORDERED: dict[str, Callable[[], Any]] = {
    "an ordered window": lambda: duplicates().order_by("-number", "-id"),
}
DELETES = {**FILTERS, **ORDERED}
UPDATES = FILTERS if connection.vendor == "mysql" else DELETES


@pytest.fixture(autouse=True)
def forest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Create eleven branches of three sizes; four of them are children of two others."""
    monkeypatch.setattr(queryset, "CHUNK", 2)
    Branch.objects.bulk_create(
        Branch(pk=FIRST + n, size=n % 3, parent_id=FIRST + n % 2 if n in CHILDREN else None)
        for n in range(11)
    )


@pytest.mark.parametrize("value", [77, F("size") + 50])
@pytest.mark.parametrize("what", UPDATES)
def test_an_update_writes_all_rows_that_match(what: str, value: Any) -> None:
    expected = set(UPDATES[what]().values_list("pk", flat=True))
    assert len(expected) > 1

    assert UPDATES[what]().update(size=value) == len(expected)

    assert set(Branch.objects.filter(size__gte=50).values_list("pk", flat=True)) == expected
    assert replay(events()) == table(Branch)


@pytest.mark.parametrize("what", DELETES)
def test_a_delete_removes_all_rows_that_match(what: str) -> None:
    expected = set(DELETES[what]().values_list("pk", flat=True))
    with_children = expected | set(
        Branch.objects.filter(parent__in=expected).values_list("pk", flat=True)
    )

    assert DELETES[what]().delete()[0] == len(with_children)

    left = set(Branch.objects.values_list("pk", flat=True))
    assert left == {FIRST + n for n in range(11)} - with_children
    assert replay(events()) == table(Branch)


@pytest.mark.parametrize("write", ["update", "delete"])
def test_a_random_filter_is_evaluated_once(write: str) -> None:
    """Evaluated twice, it would match a quarter of the rows instead of half of them."""
    Branch.objects.bulk_create(Branch(size=5) for _ in range(400))
    forget()
    half = Branch.objects.annotate(chance=Random()).filter(size=5, chance__lt=0.5)

    count = half.update(size=6) if write == "update" else half.delete()[0]

    assert 150 < count < 250
    assert len(events()) == count
    assert Branch.objects.filter(size=5).count() == 400 - count


@pytest.mark.skipif(connection.vendor == "mysql", reason="MySQL allows no LIMIT there")
@pytest.mark.parametrize("order", ["-id", "?"])
def test_a_slice_in_a_subquery_keeps_its_length(order: str) -> None:
    some = Branch.objects.filter(pk__in=Branch.objects.order_by(order).values("pk")[:5])

    assert some.update(size=77) == 5
    assert Branch.objects.filter(size=77).count() == 5


def test_rows_are_read_again_by_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of reads does not depend on the number of chunks."""
    calls: list[int] = []
    keys = queryset._keys

    def counted(*args: Any) -> list[Any]:
        calls.append(1)
        return keys(*args)

    monkeypatch.setattr(queryset, "_keys", counted)
    assert Branch.objects.filter(size__gte=0).update(size=5) == 11
    assert len(calls) == 2


def test_a_filter_on_groups_is_refused() -> None:
    """Databases refuse it in an UPDATE. If selected by key, each row would be its own group."""
    groups = Branch.objects.values("size").annotate(n=Count("pk")).filter(n__gt=3)
    forget()

    with pytest.raises(Refused, match="grouped"):
        groups.update(size=77)

    assert events() == []
    assert not Branch.objects.filter(size=77).exists()
