"""Reading rows as the database holds them."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.test.utils import CaptureQueriesContext

from cdc.capture.images import found_by_key, images_where, read_image, read_images
from cdc.registry import Capture, registry
from tests.support.toy.models import Label, Toy

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


def test_only_mysql_and_only_that_statement_is_limited(toys: list[Toy]) -> None:
    with CaptureQueriesContext(connection) as queries:
        with found_by_key(captured(), "UPDATE", 7, using="default"):
            QuerySet.update(Toy.objects.all(), place=1)
            QuerySet.update(Label.objects.all(), size=1)
        QuerySet.update(Toy.objects.all(), place=2)

    limited = [query["sql"].endswith("LIMIT 7") for query in queries]
    assert limited == [connection.vendor == "mysql", False, False]
