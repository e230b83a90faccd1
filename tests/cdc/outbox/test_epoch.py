"""Epochs, and the command `new_epoch`."""

from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from cdc.models import Epoch, OutboxRecord
from cdc.outbox import table as outbox
from cdc.outbox.epoch import ensure_epoch
from tests.cdc.capture.world import story

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

LATER = 10**15
"""An epoch that is later than the current time in milliseconds."""


def test_a_migrated_database_has_an_epoch() -> None:
    epoch = outbox.current_epoch(using="default")

    assert epoch is not None
    assert epoch > 1_700_000_000_000
    call_command("migrate", verbosity=0)
    assert outbox.current_epoch(using="default") == epoch


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_database_has_an_epoch_of_its_own() -> None:
    Epoch.objects.all().delete()
    Epoch.objects.using("other").all().delete()

    ensure_epoch("other")

    assert outbox.current_epoch(using="other") is not None
    assert outbox.current_epoch(using="default") is None


def test_a_flush_begins_a_new_epoch() -> None:
    before = outbox.current_epoch(using="default")
    call_command("flush", interactive=False, verbosity=0)

    assert (outbox.current_epoch(using="default") or 0) > (before or 0)


@pytest.mark.parametrize(("old", "now", "new"), [(5, 9, 9), (9, 5, 10), (9, 9, 10)])
def test_a_new_epoch_is_above_the_old_and_not_before_now(old: int, now: int, new: int) -> None:
    Epoch.objects.update(value=old)

    assert outbox.begin_epoch(now, using="default") == new
    assert list(Epoch.objects.values_list("value", flat=True)) == [new]


def test_each_row_has_the_epoch_at_its_insert() -> None:
    one = story()
    one.save()
    Epoch.objects.update(value=LATER)
    one.save()

    (first, second) = OutboxRecord.objects.values_list("epoch", flat=True).order_by("id")
    assert (first < LATER, second) == (True, LATER)


def test_new_epoch_refuses_while_the_outbox_holds_rows() -> None:
    story().save()
    before = outbox.current_epoch(using="default")

    with pytest.raises(CommandError, match=r"rows: 1\)") as refusal:
        call_command("new_epoch")

    assert (refusal.value.returncode, outbox.current_epoch(using="default")) == (1, before)


@pytest.mark.parametrize("rows", [0, 1])
def test_the_command_begins_a_new_epoch(rows: int) -> None:
    for _ in range(rows):
        story().save()
    Epoch.objects.update(value=LATER)
    out = StringIO()

    call_command("new_epoch", *["--force"] * rows, stdout=out)

    assert outbox.current_epoch(using="default") == LATER + 1
    assert out.getvalue() == f"The epoch is now {LATER + 1}.\n"


def test_a_database_without_the_table_has_no_epoch() -> None:
    Epoch.objects.all().delete()

    class Zero:
        all_models = {"cdc": {}}  # type: ignore[var-annotated]

    ensure_epoch("default", apps=Zero())  # type: ignore[arg-type]
    assert outbox.current_epoch(using="default") is None
    ensure_epoch("default", apps=apps)
    assert outbox.current_epoch(using="default") is not None
