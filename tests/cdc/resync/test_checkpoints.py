"""The same work with the same arguments finds its checkpoint again."""

import pytest
from django.db import transaction

from cdc.resync.checkpoints import CheckpointStore

pytestmark = pytest.mark.django_db
ARGUMENTS: dict[str, object] = {"table": "a", "where": ["x=1"]}


def checkpoint(work: str = "send", arguments: dict[str, object] = ARGUMENTS) -> CheckpointStore:
    return CheckpointStore(work, arguments, using="default")


def test_the_last_state_is_found_again_whatever_the_order_of_the_arguments() -> None:
    assert checkpoint().load() is None
    checkpoint().save({"last": 1})
    checkpoint().save({"last": 2, "key": "ä"})
    turned = dict(reversed(ARGUMENTS.items()))
    assert checkpoint(arguments=turned).load() == {"last": 2, "key": "ä"}


def test_other_work_and_other_arguments_have_their_own() -> None:
    checkpoint().save({"last": 1})
    assert checkpoint("reconcile").load() is None
    assert checkpoint(arguments={**ARGUMENTS, "where": []}).load() is None


def test_it_goes_with_the_transaction_that_it_is_saved_in() -> None:
    checkpoint().save({"last": 1})
    with transaction.atomic():
        checkpoint().save({"last": 2})
        transaction.set_rollback(True)
    assert checkpoint().load() == {"last": 1}
    checkpoint().remove()
    assert checkpoint().load() is None
