"""Assembles the relay's guard against reused outbox ids."""

from django.db import DEFAULT_DB_ALIAS

from cdc.conf import CdcSettings
from cdc.context import acting_as
from cdc.jobs.kinds import REPAIR
from cdc.jobs.table import Jobs
from cdc.kafka.last_published import LastPublished
from cdc.models import Job
from cdc.mongo.reader import LastApplied
from cdc.operator_log import log_action
from cdc.outbox.continuity import ACTOR, EPOCH_ARGUMENT, EpochGuard
from cdc.registry import all_topics, topic_names
from cdc.runtime.clock import Clock
from cdc.runtime.telemetry import Tally


def epoch_guard(settings: CdcSettings, clock: Clock, counters: Tally) -> EpochGuard:
    """Return a guard that queries Kafka, and MongoDB if one of the captured topics is empty.

    The topic of the canary does not count, because the history does not contain its changes.
    """
    kafka = LastPublished(settings, sorted(all_topics()))
    # The relay itself does not need MongoDB.
    mongodb = [LastApplied(settings)] if settings.mongodb_uri else []
    return EpochGuard(
        using=DEFAULT_DB_ALIAS,
        witnesses=[kafka, *mongodb],
        topics=topic_names(),
        on_new_epoch=ask_for_relay,
        clock=clock,
        counters=counters,
    )


def ask_for_relay(epoch: int, reason: str) -> None:
    """Log the epoch that the relay has begun and request a repair, in the caller's transaction."""
    with acting_as(ACTOR):
        ask_for_repair(epoch, reason)


def ask_for_repair(epoch: int, reason: str) -> Job:
    """Log a new epoch and create a job for a repair, in the caller's transaction.

    A repair is necessary because the replica may contain changes that the database has lost. The
    current actor is the one that began the epoch.
    """
    log_action("new_epoch", f"epoch {epoch}", reason, using=DEFAULT_DB_ALIAS)
    arguments = {EPOCH_ARGUMENT: epoch}
    return Jobs(DEFAULT_DB_ALIAS).ensure(REPAIR, arguments, "all models", reason)
