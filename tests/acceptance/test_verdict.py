"""In each condition of the table in docs/operating.md, all views of a running product agree."""

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.acceptance.verdict.conditions import CONDITIONS, Produce
from tests.acceptance.verdict.contents import missing_documents
from tests.acceptance.verdict.processes import without_relay
from tests.acceptance.verdict.product import Product, running_product
from tests.acceptance.verdict.table import Row, rows

pytestmark = pytest.mark.services

_SERVERS_ONLY = ("the database is down", "an open transaction locks rows of the outbox")
"""The conditions that need a database server."""


@pytest.fixture(scope="module")
def product(
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
    mongodb_uri: str,
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("verdict")
    with django_db_blocker.unblock(), running_product(folder, mongodb_uri) as running:
        yield running


def cases() -> Iterator[object]:
    for row in rows():
        marks = [pytest.mark.row_locks] if row.condition in _SERVERS_ONLY else []
        ways = CONDITIONS[row.state, row.condition]
        for number, produce in enumerate(ways, 1):
            name = str(row) + (f" ({number})" if len(ways) > 1 else "")
            yield pytest.param(row, produce, marks=marks, id=name)


@pytest.mark.parametrize(("row", "produce"), list(cases()))
def test_all_views_agree(product: Product, row: Row, produce: Produce) -> None:
    before = product.wait_until_healthy()
    with produce(product):
        product.wait_until_agreed(row, before)
    product.wait_until_healthy()


def test_a_second_problem_is_named_too(product: Product) -> None:
    product.wait_until_healthy()
    with missing_documents(product), without_relay(product):
        product.wait_until(lambda: product.views.sentence().endswith(" Also: out of sync."), "both")
    product.wait_until_healthy()
