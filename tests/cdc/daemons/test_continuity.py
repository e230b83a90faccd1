"""A new epoch is written to the operator log and starts a repair."""

import pytest
from django.db import transaction

from cdc.daemons.continuity import ask_for_relay, epoch_guard
from cdc.jobs.kinds import REPAIR
from cdc.jobs.table import Jobs
from cdc.models import Job, JobState, OperatorAction
from cdc.registry import all_topics
from cdc.status.unverified import unverified
from cdc.testing.twins import FakeClock
from tests.cdc.outbox.guarded import Tally
from tests.support.feed_settings import without_servers

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
REASON = "The next outbox id is 1, but id 7 has been published."


def test_a_repair_is_requested_and_logged() -> None:
    ask_for_relay(12, REASON)

    job = Job.objects.get()
    assert (job.kind, job.state, job.asked_by) == (REPAIR, JobState.WAITING, "relay")
    entries = OperatorAction.objects.order_by("id").values_list("who", "what", "target", "why")
    assert list(entries) == [
        ("relay", "new_epoch", "epoch 12", REASON),
        ("relay", REPAIR, f"job {job.pk}: all models", REASON),
    ]


def test_a_repair_that_a_user_has_requested_is_not_enough() -> None:
    """With only that repair, the status would not show that the replica is not verified."""
    Jobs("default").ask(REPAIR, {}, "all", "by hand")

    ask_for_relay(12, REASON)

    assert Job.objects.count() == 2
    assert f"Job {Job.objects.latest('id').pk} waits" in unverified()


def test_a_running_repair_is_not() -> None:
    ask_for_relay(11, REASON)
    assert Jobs("default").claim("somewhere")

    ask_for_relay(12, REASON)

    assert Job.objects.filter(state=JobState.WAITING).count() == 1


def test_it_is_part_of_the_transaction() -> None:
    with transaction.atomic():
        ask_for_relay(12, REASON)
        transaction.set_rollback(True)

    assert not Job.objects.exists()
    assert not OperatorAction.objects.exists()


def test_the_topic_of_the_canary_does_not_count() -> None:
    """Its records must not keep the relay from asking MongoDB: the history has no canary."""
    away = without_servers(bootstrap_servers="127.0.0.1:1")
    guard = epoch_guard(away, FakeClock(), Tally("default", FakeClock()))

    assert "story-events" in guard._topics
    assert guard._topics == all_topics().keys() - {"story-events-canary"}
