"""A task finds the checkpoint of an earlier run with the same arguments."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from cdc.models import Checkpoint
from cdc.outbox import table
from cdc.resync.checkpoints import CheckpointStore

pytestmark = pytest.mark.django_db
ARGUMENTS: dict[str, object] = {"table": "a", "where": ["x=1"]}


def checkpoint(task: str = "send", arguments: dict[str, object] = ARGUMENTS) -> CheckpointStore:
    return CheckpointStore(task, arguments, using="default")


def test_the_order_of_the_arguments_does_not_matter() -> None:
    assert checkpoint().load() is None
    checkpoint().save({"last": 1})
    checkpoint().save({"last": 2, "key": "ä"})
    reordered = dict(reversed(ARGUMENTS.items()))
    assert checkpoint(arguments=reordered).load() == {"last": 2, "key": "ä"}


def test_other_tasks_and_arguments_have_their_own_checkpoint() -> None:
    checkpoint().save({"last": 1})
    assert checkpoint("reconcile").load() is None
    assert checkpoint(arguments={**ARGUMENTS, "where": []}).load() is None


def test_it_is_part_of_the_transaction() -> None:
    checkpoint().save({"last": 1})
    with transaction.atomic():
        checkpoint().save({"last": 2})
        transaction.set_rollback(True)
    assert checkpoint().load() == {"last": 1}
    checkpoint().remove()
    assert checkpoint().load() is None


def test_a_checkpoint_of_an_earlier_release_is_found() -> None:
    """An upgrade in the middle of a run must not restart the run."""
    digest = "c72808a999aa33a1d62a8c6de5ec09cd"
    Checkpoint.objects.create(name=f"send {digest}", state='{"last": 7}')

    assert checkpoint().discard_outdated() == ""
    assert checkpoint().load() == {"last": 7}
    checkpoint().save({"last": 8})
    assert Checkpoint.objects.get().name == f"send {digest}"


@pytest.mark.django_db(databases=["default", "other"])
def test_each_database_has_its_own_checkpoints() -> None:
    other = CheckpointStore("send", ARGUMENTS, using="other")
    other.save({"last": 1})

    assert checkpoint().load() is None
    checkpoint().remove()
    assert other.load() == {"last": 1}
    other.remove()
    assert other.load() is None


@pytest.mark.parametrize(("hours", "why"), [(23, ""), (25, "it was stopped more than a day ago")])
def test_a_checkpoint_is_outdated_after_a_day(hours: int, why: str) -> None:
    checkpoint().save({"last": 1})
    Checkpoint.objects.update(updated_at=timezone.now() - timedelta(hours=hours))

    assert checkpoint().discard_outdated() == why

    assert checkpoint().load() == (None if why else {"last": 1})


def test_a_checkpoint_is_outdated_in_a_new_epoch() -> None:
    checkpoint().save({"last": 1})
    table.begin_epoch(2**42, using="default")

    assert checkpoint().discard_outdated() == "a new epoch has begun since"
    assert checkpoint().load() is None
    assert checkpoint().discard_outdated() == ""


def test_only_work_that_names_the_last_reconciliation_is_outdated_by_the_next() -> None:
    def store(last_run: int | None) -> CheckpointStore:
        return CheckpointStore("send", ARGUMENTS, using="default", last_run=last_run)

    store(3).save({"last": 1})
    assert store(3).discard_outdated() == ""
    assert store(4).discard_outdated() == "another reconciliation has finished since"
    store(None).save({"last": 1})
    assert store(None).discard_outdated() == ""
