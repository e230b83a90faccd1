"""`bulk_create(update_conflicts=True)` updates the same row as Django, and records this row."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.db.models import F
from django.db.models.functions import Lower
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc.capture.bulk_create import BulkCreate
from cdc.errors import Refused
from stories.models import Story
from tests.cdc.capture.elsewhere import elsewhere
from tests.cdc.capture.events import Event, events, forget, replay
from tests.cdc.capture.test_bulk_create import upsert_any_key
from tests.cdc.capture.world import FREE, World, story, table
from tests.support.toy.models import Coupon, Locker, PlainCoupon

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

MYSQL = connection.vendor == "mysql"


def target(*names: str) -> dict[str, Any]:
    """Return `unique_fields` for SQLite, which requires it. MySQL rejects it."""
    return {} if MYSQL else {"unique_fields": list(names)}


def upsert(model: Any, row: Any, fields: list[str], *names: str) -> Any:
    options = target(*names)
    return model.objects.bulk_create([row], update_conflicts=True, update_fields=fields, **options)


def race(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Make another connection commit `act` right after the first search for conflicts."""
    find = BulkCreate._conflicting
    done: list[Any] = []

    def find_then_act(self: BulkCreate, *args: Any) -> Any:
        found = find(self, *args)
        if not done:
            done.append(found)
            elsewhere(act)
        return found

    monkeypatch.setattr(BulkCreate, "_conflicting", find_then_act)


@pytest.mark.row_locks
def test_a_row_inserted_with_the_key_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    race(monkeypatch, lambda: story(pk=FREE, title="theirs").save())

    upsert(Story, story(pk=FREE, source_id="s1", title="ours"), ["title"])

    titles = {event.row["id"]: (event.op, event.row["title"]) for event in events()}
    assert titles == {FREE: ("c", "theirs"), world.a.pk: ("u", "ours")}
    assert replay([Event("c", None, row) for row in world.rows.values()] + events()) == table()


@pytest.mark.row_locks
@pytest.mark.parametrize("values", [{"word": "b"}, {"lot": 9}, {"shelf": 1, "place": 1}])
def test_a_row_inserted_with_another_unique_value_is_found(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    race(monkeypatch, lambda: Coupon.objects.create(note="theirs", **{"lot": None, **values}))

    upsert(Coupon, Coupon(note="ours", **{"lot": None, **values}), ["note"])

    assert [(event.op, event.row["note"]) for event in events()] == [("c", "theirs"), ("u", "ours")]
    assert replay(events()) == table(Coupon)


@pytest.mark.skipif(not MYSQL, reason="SQLite takes fields only as the target")
def test_a_conflict_in_an_expression_is_found() -> None:
    Coupon.objects.create(slug="Two", shelf=2, lot=None)
    one = Coupon.objects.create(slug="One", shelf=1, lot=None)
    Coupon.objects.create(slug="One", shelf=None, lot=None)

    upsert(Coupon, Coupon(slug="oNE", shelf=1, note="new", lot=None), ["note"])

    # MariaDB has no indexes on expressions, so Django does not create this constraint.
    keyed = connection.features.supports_expression_indexes
    assert [event.op for event in events()] == [*"ccc", "u" if keyed else "c"]
    assert (events()[3].row["id"] == one.pk) is keyed
    assert replay(events()) == table(Coupon)


def test_values_left_to_the_database_are_what_is_updated() -> None:
    Coupon.objects.create(word="a", size=1)
    (row,) = upsert(Coupon, Coupon(word="a", note="x"), ["size", "note"], "word")
    upsert(Coupon, Coupon(word="b", lot=6), ["size"], "word")
    upsert(Coupon, Coupon(note="y"), ["note"], "lot")

    rows = Coupon.objects.order_by("pk").values_list("word", "lot", "size", "note")
    assert list(rows) == [("a", 5, 7, "y"), ("b", 6, 7, "")]
    assert row.pk == Coupon.objects.get(word="a").pk
    assert [event.op for event in events()] == ["c", "u", "c", "u"]
    assert replay(events()) == table(Coupon)


def test_expressions_are_stored_as_django_stores_them() -> None:
    upsert(Coupon, Coupon(word=Lower(models.Value("ABC"))), ["note"], "word")
    upsert(Coupon, Coupon(word=Lower(models.Value("ABC")), note="new", lot=6), ["note"], "word")

    assert list(Coupon.objects.values_list("word", "note", "lot")) == [("abc", "new", 5)]
    assert replay(events()) == table(Coupon)


@pytest.mark.skipif(not MYSQL, reason="SQLite stores the number as it is")
@pytest.mark.parametrize("price", ["1.555", Decimal("1.555"), 1.556])
def test_a_conflict_with_a_rounded_number_is_found(price: Any) -> None:
    Coupon.objects.create(price="1.56", lot=None)

    upsert(Coupon, Coupon(price=price, note="new", lot=None), ["note"], "price")

    assert list(Coupon.objects.values_list("price", "note")) == [(Decimal("1.56"), "new")]
    assert replay(events()) == table(Coupon)


def test_null_conflicts_with_nothing() -> None:
    for _ in range(2):
        upsert(Coupon, Coupon(shelf=1, lot=None), ["note"], "shelf", "place")

    assert [event.op for event in events()] == ["c", "c"]


def test_an_update_that_violates_another_key_is_an_error() -> None:
    Coupon.objects.bulk_create([Coupon(word="a", lot=1), Coupon(word="b", lot=2)])
    forget()

    with pytest.raises(IntegrityError):
        upsert(Coupon, Coupon(pk=Coupon.objects.get(lot=2).pk, word="a", lot=3), ["word"], "pk")

    assert events() == []


KEY = st.integers(1, 4)
MAYBE = st.one_of(st.none(), st.integers(1, 3))
ROW = st.fixed_dictionaries(
    {"pk": KEY, "word": st.sampled_from([None, "a", "b", "c"]), "shelf": MAYBE, "place": MAYBE},
    optional={
        "lot": MAYBE,
        "size": MAYBE.filter(bool),
        "rank": MAYBE,
        "slug": st.sampled_from([None, "x", "X", "y"]),
        "price": st.sampled_from([None, "1.56", Decimal("1.555"), Decimal("1.565"), 1.564]),
    },
)
TARGETS = [("pk",), ("word",), ("shelf", "place"), ("lot",), ("price",)]
FIELDS = st.lists(
    st.sampled_from(["note", "size", "word", "lot", "place", "slug"]), min_size=1, unique=True
)


def attempt(model: Any, values: dict[str, Any], fields: list[str], names: tuple[str, ...]) -> Any:
    try:
        with transaction.atomic():
            upsert(model, model(**values), fields, *names)
    except IntegrityError:
        return "conflict"
    return "done"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(ROW, FIELDS, st.sampled_from(TARGETS)), min_size=1, max_size=8))
def test_any_upsert_does_what_plain_django_does(steps: list[Any]) -> None:
    Coupon.objects.all().delete()
    PlainCoupon.objects.all().delete()
    forget()
    for number, (values, fields, names) in enumerate(steps):
        named = {**values, "note": str(number)}
        outcomes = [attempt(model, named, fields, names) for model in (Coupon, PlainCoupon)]

        assert outcomes[0] == outcomes[1]
        assert list(Coupon.objects.order_by("pk").values()) == list(
            PlainCoupon.objects.order_by("pk").values()
        )
    assert replay(events()) == table(Coupon)


def test_a_key_that_the_database_generates_is_refused() -> None:
    with transaction.atomic():
        with pytest.raises(Refused, match="set the key"):
            Locker.objects.bulk_create([Locker(number=1), Locker()])
        with pytest.raises(Refused, match="set the key"):
            Locker.objects.bulk_create([Locker()], ignore_conflicts=True)
        Locker.objects.create(number=3)

    assert list(table(Locker)) == [3]


def test_a_saved_key_that_the_database_generates_is_read_or_refused() -> None:
    locker = Locker()
    with transaction.atomic():
        if connection.features.can_return_columns_from_insert:
            locker.save()
        else:
            with pytest.raises(Refused, match="set the key"):
                locker.save()
            Locker(number=9).save()
    Locker.objects.update(size=F("size") + 1)

    assert replay(events(), "number") == table(Locker)
    assert list(table(Locker)) == [9]


@pytest.mark.skipif(MYSQL, reason="MySQL has no target")
@pytest.mark.parametrize("existing", [0, 1, 2])
@pytest.mark.parametrize("names", [["size"], ["word", "size"], ["rank"], ["slug", "shelf"]])
def test_a_target_that_is_no_unique_key_is_the_error_of_the_database(
    names: list[str], existing: int
) -> None:
    """`rank` is unique under a condition, and `slug` only as an expression."""
    errors = []
    model: Any
    for model in (Coupon, PlainCoupon):
        for n in range(existing):
            model.objects.create(size=1, rank=1, word=f"{n}", lot=n, place=-1)
        with pytest.raises(OperationalError, match="ON CONFLICT") as error, transaction.atomic():
            upsert(model, model(size=1, rank=1, slug="a", shelf=1, lot=9), ["note"], *names)
        errors.append(str(error.value))
        assert model.objects.count() == existing

    assert errors[0] == errors[1]
    assert [event.op for event in events()] == ["c"] * existing


@pytest.mark.skipif(MYSQL, reason="MySQL has no target")
@pytest.mark.parametrize("names", [["pk"], ["id"], ["word"], ["place", "shelf"]])
def test_a_target_that_is_a_unique_key_is_accepted(names: list[str]) -> None:
    row = Coupon.objects.create(word="a", shelf=1, place=1)

    again = Coupon(pk=row.pk, word="a", shelf=1, place=1, note="new")
    upsert(Coupon, again, ["note"], *names)

    assert list(Coupon.objects.values_list("pk", "note")) == [(row.pk, "new")]
    assert replay(events()) == table(Coupon)


def test_a_key_that_is_unique_only_in_the_model_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Coupon.objects.bulk_create([Coupon(size=1, lot=1), Coupon(size=1, lot=2)])
    monkeypatch.setitem(vars(Coupon._meta.get_field("size")), "unique", True)
    forget()

    with pytest.raises(Refused, match="has 2 rows with the same values"):
        upsert_any_key(Coupon(size=1, lot=3), "note")

    assert events() == []
