"""What an update of several chunks has in common with an update of one statement."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Case, Count, Exists, F, Max, OuterRef, QuerySet, Subquery, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from cdc.capture import queryset
from cdc.errors import Refused
from tests.cdc.capture.events import events, forget
from tests.cdc.capture.world import table
from tests.support.toy.models import Box, Branch, Label

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

ROWS = 7


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queryset, "CHUNK", 2)


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

    with pytest.raises(Refused, match="may write 5 rows"), transaction.atomic():
        Branch.objects.update(size=Subquery(largest()))

    assert (events(), table(Branch)) == ([], before)
