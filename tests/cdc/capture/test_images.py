"""Reading the stored content of rows."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.test.utils import CaptureQueriesContext

from cdc.capture.images import (
    found_by_key,
    images_after,
    images_where,
    keys_after,
    read_image,
    read_images,
)
from cdc.errors import Refused
from cdc.registry import Capture, registry
from tests.support.toy.models import Box, Hour, Label, Lid, Ticket, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def captured() -> Capture:
    found = registry.find(Toy)
    assert found is not None
    return found


@pytest.fixture
def toys() -> list[Toy]:
    full = {
        "price": Decimal("1.50"),
        "code": UUID(int=5),
        "data": {"a": [1]},
        "seen": datetime(2001, 2, 3, 4, 5, 6, 7000, UTC),
    }
    return [Toy.objects.create(name="a", **full), Toy.objects.create(name="b", shiny=False)]


def test_one_row_is_read_as_many_are(toys: list[Toy]) -> None:
    keys = [toys[1].pk, toys[0].pk, 0]
    images = read_images(captured(), keys, using="default")

    assert list(images) == sorted(keys[:2])
    for key, image in images.items():
        assert read_image(captured(), key, using="default") == image
    assert images[toys[0].pk]["code"] == UUID(int=5)
    assert images[toys[0].pk]["seen"] == toys[0].seen
    assert read_image(captured(), 0, using="default") is None
    assert read_image(captured(), str(toys[0].pk), using="default") == images[toys[0].pk]


def test_a_condition_finds_its_rows(toys: list[Toy]) -> None:
    found = images_where(captured(), Q(shiny=False), using="default")

    assert list(found) == [toys[1].pk]


def test_the_rows_after_a_key_are_read_in_the_order_of_keys() -> None:
    Toy.objects.bulk_create([Toy(name=name, shiny=name != "c") for name in "abcde"])
    a, b, c, d, e = Toy.objects.order_by("pk").values_list("pk", flat=True)
    every, shiny = Q(), Q(shiny=True)
    for last, limit, condition, expected in (
        (None, 9, every, [a, b, c, d, e]),
        (None, 2, every, [a, b]),
        (b, 2, every, [c, d]),
        (b, 2, shiny, [d, e]),
        (a - 1, 1, every, [a]),
        (d, 9, every, [e]),
        (e, 9, every, []),
    ):
        images = images_after(captured(), last, limit, condition, using="default")
        assert list(images) == expected
        assert images == read_images(captured(), expected, using="default")
        assert keys_after(captured(), last, limit, condition, using="default") == expected


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite stores such a text")
def test_a_row_whose_key_is_read_as_null_is_refused() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO toy_hour (at, seat) VALUES ('now', 1)")
    hours = registry.find(Hour)
    assert hours is not None
    for read in (images_after, keys_after):
        with pytest.raises(Refused, match="toy_hour has a row whose key is read as null"):
            read(hours, None, 5, Q(), using="default")


def test_a_key_is_looked_up_as_its_column_stores_it() -> None:
    ticket = Ticket.objects.create(code=UUID(int=5), seat=3)
    lid = Lid.objects.create(box=Box.objects.create(name="a"), seat=4)
    for model, keys in ((Ticket, (ticket.pk, str(ticket.pk), ticket.pk.hex)), (Lid, (lid.pk,))):
        capture = registry.find(model)
        assert capture is not None
        for key in keys:
            image = read_image(capture, key, using="default")
            assert image == read_images(capture, [key], using="default")[model.objects.get().pk]


def test_a_lock_is_requested(toys: list[Toy]) -> None:
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        read_image(captured(), toys[0].pk, using="default", lock=True)
        read_images(captured(), [toys[0].pk], using="default", lock=True)
        read_images(captured(), [toys[0].pk], using="default")

    locks = [query["sql"].endswith("FOR UPDATE") for query in queries if "SELECT" in query["sql"]]
    assert locks == [connection.features.has_select_for_update] * 2 + [False]


def test_the_compiled_statement_is_each_model_s_own(toys: list[Toy]) -> None:
    Label.objects.create(text="a")
    labels = registry.find(Label)
    assert labels is not None

    assert read_image(labels, "a", using="default") == {"text": "a", "size": 1}
    assert read_image(captured(), toys[0].pk, using="default") is not None


def test_only_mysql_and_only_statements_that_name_keys_have_a_hint(toys: list[Toy]) -> None:
    with CaptureQueriesContext(connection) as queries:
        with found_by_key(captured(), using="default"):
            QuerySet.update(Toy.objects.filter(pk__in=[1]), place=1)
            QuerySet.update(Toy.objects.filter(pk=1), place=1)
            QuerySet.update(Toy.objects.all(), place=1)
            QuerySet.update(Label.objects.filter(pk__in=["a"]), size=1)
            QuerySet(Toy).filter(pk__in=[1])._raw_delete("default")
        QuerySet.update(Toy.objects.filter(pk__in=[1]), place=2)

    hinted = ["FORCE INDEX" in query["sql"] for query in queries if query["sql"][0] in "UD"]
    mysql = connection.vendor == "mysql"
    assert hinted == [mysql, False, False, False, mysql, False]


def keys_of(rows: int) -> list[int]:
    Toy.objects.bulk_create([Toy(name=f"t{n}") for n in range(rows)])
    return list(Toy.objects.values_list("pk", flat=True))


@pytest.mark.skipif(connection.vendor != "mysql", reason="only MySQL takes index hints")
@pytest.mark.parametrize("share", [1, 2, 10])
@pytest.mark.parametrize("rows", [2, 20, 100, 200, 1000])
def test_mysql_finds_the_rows_by_a_range_of_the_primary_key(rows: int, share: int) -> None:
    keys = keys_of(rows)[:500:share]
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        read_images(captured(), keys, using="default", lock=True)
        with found_by_key(captured(), using="default"):
            updated = QuerySet.update(Toy.objects.filter(pk__in=keys), place=F("place") + 1)
            deleted = QuerySet(Toy).filter(pk__in=keys)._raw_delete("default")
        statements = [query["sql"] for query in queries if "toy_toy" in query["sql"]]
        transaction.set_rollback(True)

    assert (updated, deleted) == (len(keys), len(keys))
    assert len(statements) == 3
    plans = [plan(sql) for sql in statements]
    assert {key for _, key in plans} == {"PRIMARY"}, [(sql[:200], plan(sql)) for sql in statements]
    assert {kind for kind, _ in plans} <= ({"range", "const"} if len(keys) == 1 else {"range"})


def plan(sql: str) -> tuple[str, str]:
    mariadb = getattr(connection, "mysql_is_mariadb", False)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'' if mariadb else 'FORMAT=TRADITIONAL'} {sql}")
        names = [column[0] for column in cursor.description]
        found = dict(zip(names, cursor.fetchone(), strict=True))
    return found["type"], found["key"]
