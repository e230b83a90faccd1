"""The consumer's queries to the database: which rows are missing, and which epoch it has."""

from uuid import UUID

import pytest

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
    with pytest.raises(Rejected, match="'no code' is not a valid key of toy_ticket"):
        SourceRows(registry.by_table(), "default").missing("toy_ticket", ["no code"])


def test_a_database_without_an_epoch_is_retried() -> None:
    epoch = outbox.begin_epoch(5, using="default")
    assert source_epoch(using="default") == epoch
    Epoch.objects.all().delete()

    with pytest.raises(Retryable, match="has no epoch"):
        source_epoch(using="default")

    outbox.ensure_epoch(epoch, using="default")
