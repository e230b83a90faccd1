"""Bulk writes have the same result or error as in plain Django, and each row has its event."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, Exists, F, Max, Subquery, When
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext

from cdc.capture import queryset
from stories.models import Story
from tests.cdc.capture.events import events, replay
from tests.cdc.capture.world import World, changed, table
from tests.support.toy.models import Branch, Coupon, PlainBranch, PlainCoupon

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

FIRST = 1000


def largest(model: Any) -> Any:
    return model.objects.order_by("-size").values("size")[:1]


def outcome(write: Callable[[Any], Any], model: Any) -> Any:
    """Return what the write returned or raised, and the rows that it left."""
    try:
        with transaction.atomic():
            result = write(model)
    except Exception as error:  # noqa: BLE001 -- the same as plain Django's, whatever it is
        result = type(error)
    return result, list(model.objects.order_by("pk").values_list("pk", "size", "friend"))


SUBQUERIES: dict[str, Callable[[Any], Any]] = {
    "subquery": lambda model: model.objects.update(size=Subquery(largest(model)) + 1),
    "queryset": lambda model: model.objects.update(size=largest(model)),
    "annotation": lambda model: model.objects.annotate(n=Subquery(largest(model)) + 1).update(
        size=F("n")
    ),
    "condition": lambda model: model.objects.update(
        size=Case(When(Exists(model.objects.filter(size=9)), then=1), default=9)
    ),
    "list": lambda model: model.objects.update(
        size=Case(When(pk__in=model.objects.filter(size=0).values("pk"), then=9), default=0)
    ),
    "SQL": lambda model: model.objects.update(
        size=RawSQL(f"(SELECT MAX(size) + 1 FROM {model._meta.db_table})", [])  # noqa: S611 -- a table of the tests
    ),
}


@pytest.mark.parametrize("what", SUBQUERIES)
def test_a_subquery_finds_the_rows_from_before_the_update(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queryset, "CHUNK", 2)
    model: Any
    for model in (Branch, PlainBranch):
        model.objects.bulk_create([model(pk=FIRST + n, size=n) for n in range(7)])

    # MySQL refuses most of these subqueries; MariaDB and SQLite execute them.
    assert outcome(SUBQUERIES[what], Branch) == outcome(SUBQUERIES[what], PlainBranch)
    assert replay(events()) == table(Branch)


ERRORS: dict[str, dict[str, Any]] = {
    "no number": {"size": "many"},
    "an unknown field": {"none": 1},
    "a joined field": {"size": F("friend__size")},
    "an aggregate": {"size": Max("pk")},
}


@pytest.mark.parametrize("what", ERRORS)
def test_an_update_of_no_row_raises_what_django_raises(what: str) -> None:
    def write(model: Any) -> Any:
        return model.objects.filter(pk=0).update(**ERRORS[what])

    found = outcome(write, Branch)
    assert found == outcome(write, PlainBranch)
    assert issubclass(found[0], Exception)


@pytest.mark.parametrize("options", [{}, {"ignore_conflicts": True}, {"update_conflicts": True}])
def test_rows_with_a_key_are_inserted_first(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queryset, "CHUNK", 3)
    if "update_conflicts" in options:
        options = {**options, "update_fields": ["size"]}
        if connection.features.supports_update_conflicts_with_target:
            options["unique_fields"] = ["pk"]
    next_key = Branch.objects.create().pk + 1
    made = [Branch(pk=next_key if n == 7 else None, size=n) for n in range(9)]

    assert Branch.objects.bulk_create(made, **options) == made

    assert Branch.objects.get(pk=next_key).size == 7
    assert Branch.objects.count() == 10
    assert replay(events()) == table(Branch)


def test_a_reference_is_not_loaded_by_bulk_update(world: World) -> None:
    def statements(field: str) -> int:
        stories = list(Story.objects.order_by("pk"))
        with CaptureQueriesContext(connection) as queries:
            Story.objects.bulk_update(stories, [field])
        return len(queries)

    assert statements("submitted_by") == statements("title")
    assert events() == changed(world) * 2


def test_a_reversed_order_is_kept() -> None:
    rows = {}
    model: Any
    for model in (Coupon, PlainCoupon):
        model.objects.bulk_create([model(lot=n) for n in range(4)])
        update = model.objects.order_by("lot").reverse().update
        # SQLite's UPDATE has no order.
        with nullcontext() if connection.vendor == "mysql" else pytest.raises(IntegrityError):
            update(lot=F("lot") + 1)
        rows[model] = list(model.objects.order_by("pk").values_list("lot", flat=True))

    assert rows[Coupon] == rows[PlainCoupon]
    assert replay(events()) == table(Coupon)
