"""The consumer's queries to the database: which rows are missing, and what the epoch is."""

from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from cdc.consumer import source_rows as module
from cdc.consumer.source_rows import SourceRows, source_epoch
from cdc.errors import Rejected, Retryable
from cdc.models import Epoch
from cdc.outbox import table as outbox
from cdc.registry import registry
from tests.support.toy.models import Label, Ticket, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

CODE = UUID("12345678-1234-5678-1234-567812345678")
OTHER = "87654321-4321-8765-4321-876543218765"


def test_missing_rows_are_found_by_keys_of_each_type() -> None:
    toy = Toy.objects.create(name="bear")
    Label.objects.create(text="a")
    Ticket.objects.create(code=CODE)
    rows = SourceRows(registry.by_table(), "default")

    assert rows.missing("toy_toy", [toy.pk, 4711]) == {4711}
    assert rows.missing("toy_label", ["a", "b"]) == {"b"}
    assert rows.missing("toy_ticket", [str(CODE), OTHER]) == {OTHER}


def test_a_key_that_no_row_can_have_is_rejected() -> None:
    with pytest.raises(Rejected, match="'no code' is not a valid key of toy_ticket") as caught:
        SourceRows(registry.by_table(), "default").missing("toy_ticket", ["no code"])
    assert caught.value.without_values == "A value is not a valid key of toy_ticket."


def test_a_database_without_an_epoch_is_retried() -> None:
    epoch = outbox.begin_epoch(5, using="default")
    assert source_epoch(using="default") == epoch
    Epoch.objects.all().delete()

    with pytest.raises(Retryable, match="has no epoch"):
        source_epoch(using="default")

    outbox.ensure_epoch(epoch, using="default")


def test_each_of_many_keys_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEYS_PER_QUERY", 3)
    labels = [Label(text=f"label {number}") for number in range(10)]
    Label.objects.bulk_create(labels[::2])
    rows = SourceRows(registry.by_table(), "default")

    with CaptureQueriesContext(connection) as asked:
        missing = rows.missing("toy_label", [label.text for label in labels])

    assert missing == {label.text for label in labels[1::2]}
    assert len(asked) == 4


def test_no_keys_are_no_question() -> None:
    with CaptureQueriesContext(connection) as asked:
        assert SourceRows(registry.by_table(), "default").missing("toy_label", []) == set()
    assert len(asked) == 0


def test_a_row_that_the_database_takes_for_another_one_is_no_error() -> None:
    """MySQL's default collation ignores case; a document whose key differs in case has no row."""
    Label.objects.create(text="orders")

    rows = SourceRows(registry.by_table(), "default")

    assert rows.missing("toy_label", ["ORDERS", "none"]) == {"ORDERS", "none"}


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_rows_of_the_named_database_count() -> None:
    Label.objects.create(text="mine")
    others: Any = QuerySet(Label, using="other")
    others._insert([Label(text="theirs")], fields=Label._meta.concrete_fields, using="other")

    found = [
        SourceRows(registry.by_table(), using).missing("toy_label", ["mine", "theirs"])
        for using in ("default", "other")
    ]

    assert found == [{"theirs"}, {"mine"}]
    epoch = outbox.begin_epoch(10**15, using="other")
    assert source_epoch(using="other") == epoch != source_epoch(using="default")


def test_an_unreachable_database_is_retried_and_named() -> None:
    def away(*_: Any) -> None:
        raise OperationalError("gone away")

    rows = SourceRows(registry.by_table(), "default")
    with connection.execute_wrapper(away):
        with pytest.raises(Retryable) as raised:
            rows.missing("toy_label", ["a"])
        assert str(raised.value) == (
            "The database did not return the keys of toy_label (gone away): check that it is "
            "running."
        )
        with pytest.raises(Retryable, match=r"did not return its epoch \(gone away\)"):
            source_epoch(using="default")
