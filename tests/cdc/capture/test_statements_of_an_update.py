"""What an update of several chunks has in common with an update of one statement."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Case, Count, Exists, F, Max, OuterRef, QuerySet, Subquery, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Now

from cdc.capture import bulk_create, queryset
from cdc.capture.images import read_images
from cdc.errors import Refused
from tests.cdc.capture.events import events, forget
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Branch, Label, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

ROWS = 7


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queryset, "CHUNK", 2)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time pass between the statements of a write."""

    def read(*args: Any, **options: Any) -> Any:
        time.sleep(0.005)
        return read_images(*args, **options)

    for module in (queryset, bulk_create):
        monkeypatch.setattr(module, "read_images", read)


def with_now(toys: list[Toy]) -> list[Toy]:
    for toy in toys:
        toy.seen = Now()
    return toys


TIMES: dict[str, Callable[[], Any]] = {
    "update": lambda: Toy.objects.update(seen=Now()),
    "an expression": lambda: Toy.objects.update(seen=Coalesce("seen", Now())),
    "a condition": lambda: Toy.objects.update(seen=Case(When(place=1, then=Now()), default=Now())),
    "an annotation": lambda: Toy.objects.annotate(now=Now()).update(seen=F("now")),
    "bulk_update": lambda: Toy.objects.bulk_update(with_now(list(Toy.objects.all())), ["seen"]),
    "bulk_create": lambda: Toy.objects.bulk_create(
        with_now([Toy(name=f"new {n}") for n in range(ROWS)])
    ),
}


@pytest.mark.parametrize("write", TIMES)
def test_a_write_has_one_time(slow: None, write: str) -> None:
    Toy.objects.bulk_create(Toy(name=str(n), place=n) for n in range(ROWS))
    forget()

    TIMES[write]()

    found = {event.row["seen"] for event in events()}
    assert len(events()) == ROWS
    assert len(found) == 1
    assert None not in found
    assert len(set(Toy.objects.exclude(seen=None).values_list("seen", flat=True))) == 1


def test_a_filter_and_the_values_have_the_same_time(slow: None) -> None:
    Toy.objects.bulk_create(Toy(name=str(n)) for n in range(ROWS))
    Toy.objects.update(seen=Now())

    assert Toy.objects.filter(seen__lt=Now()).update(seen=Now()) == ROWS
    assert Toy.objects.filter(seen__lt=Now()).delete()[0] == ROWS


def test_the_next_write_has_a_time_of_its_own(slow: None) -> None:
    toy = Toy.objects.create(name="a")
    times = []
    for _ in range(2):
        Toy.objects.update(seen=Now())
        toy.refresh_from_db()
        times.append(toy.seen)

    assert times[0] is not None
    assert times[1] is not None
    assert times[0] < times[1]


def largest() -> Any:
    return Branch.objects.order_by("-size").values("size")[:1]


def longest(act: Callable[[], Any]) -> int:
    """Return the largest number of parameters of a statement, other than of an INSERT."""
    most = 0

    def measure(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        nonlocal most
        if not sql.startswith("INSERT"):
            most = max(most, len(params or ()))
        return execute(sql, params, *rest)

    with connection.execute_wrapper(measure):
        act()
    return most


def first_label() -> Any:
    return Label.objects.order_by("text").values("size")[:1]


OTHER_TABLES: dict[str, Callable[[QuerySet[Branch]], Any]] = {
    "subquery": lambda rows: rows.update(size=Subquery(first_label())),
    "queryset": lambda rows: rows.update(size=first_label()),
    "correlated": lambda rows: rows.update(
        size=Subquery(Label.objects.filter(size=OuterRef("size") + 5).values("size")[:1])
    ),
    "aggregate": lambda rows: rows.update(
        size=Coalesce(Subquery(Label.objects.values("size").annotate(n=Max("size")).values("n")), 0)
    ),
    "exists": lambda rows: rows.update(
        size=Case(When(Exists(Box.objects.all()), then=1), default=5)
    ),
    "annotation": lambda rows: rows.annotate(n=Subquery(first_label())).update(size=F("n")),
}


@pytest.fixture
def branches() -> Iterator[QuerySet[Branch]]:
    Label.objects.create(text="a", size=5)
    Branch.objects.bulk_create(Branch(size=0) for _ in range(60))
    forget()
    yield Branch.objects.all()
    assert {row["size"] for row in table(Branch).values()} == {5}
    assert len(events()) == 60


@pytest.mark.parametrize("what", OTHER_TABLES)
def test_a_subquery_on_another_table_is_evaluated_by_chunk(
    branches: QuerySet[Branch], what: str
) -> None:
    assert longest(lambda: OTHER_TABLES[what](branches)) < 10


SAME_TABLE: dict[str, Any] = {
    "subquery": lambda: Subquery(largest()),
    "queryset": largest,
    "exists": lambda: Case(When(Exists(Branch.objects.filter(size=9)), then=1), default=9),
    "join": lambda: Subquery(
        Branch.objects.filter(parent=OuterRef("pk")).values("parent__size")[:1]
    ),
    "other table first": lambda: Subquery(
        Label.objects.filter(size__in=Branch.objects.values("size")).values("size")[:1]
    ),
    "count": lambda: Subquery(
        Branch.objects.filter(parent=OuterRef("parent"))
        .values("parent")
        .annotate(n=Count("pk"))
        .values("n")
    ),
    "SQL": lambda: RawSQL("(SELECT MAX(size) FROM toy_branch)", []),
}


@pytest.mark.parametrize("what", SAME_TABLE)
def test_a_subquery_on_the_same_table_may_not_be_divided(what: str) -> None:
    rows = Branch.objects.all()

    assert rows._depends_on_rows([1], {"size": SAME_TABLE[what]()}, "default")
    noted = rows.annotate(n=SAME_TABLE[what]())
    assert noted._depends_on_rows([1], {"size": F("n")}, "default")
    assert not rows._depends_on_rows([1], {"size": F("size") + 1, "parent": None}, "default")


def test_an_update_that_cannot_be_divided_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queryset, "_LARGEST_STATEMENT", 5)
    Branch.objects.bulk_create(Branch(size=n) for n in range(6))
    before = table(Branch)
    forget()

    with pytest.raises(Refused, match="may write at most 5 rows"), transaction.atomic():
        Branch.objects.update(size=Subquery(largest()))

    assert (events(), table(Branch)) == ([], before)
