"""A task finds the checkpoint of an earlier run with the same arguments."""

import pytest
from django.db import transaction

from cdc.models import Checkpoint
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
    """An upgrade in the middle of a run must not begin it again."""
    digest = "c72808a999aa33a1d62a8c6de5ec09cd"
    Checkpoint.objects.create(name=f"send {digest}", state='{"last": 7}')

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
