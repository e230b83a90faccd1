"""The relay's guard against ids that the database assigns again, assembled from its parts."""

from django.db import DEFAULT_DB_ALIAS

from cdc.conf import CdcSettings
from cdc.context import acting_as
from cdc.jobs.kinds import REPAIR
from cdc.jobs.table import Jobs
from cdc.kafka.last_published import LastPublished
from cdc.mongo.reader import LastApplied
from cdc.operator_log import log_action
from cdc.outbox.continuity import ACTOR, EpochGuard
from cdc.registry import all_topics
from cdc.runtime.loop import Clock
from cdc.runtime.telemetry import Tally


def epoch_guard(settings: CdcSettings, clock: Clock, counters: Tally) -> EpochGuard:
    """Return a guard that asks Kafka and, if its topics are empty, MongoDB."""
    kafka = LastPublished(settings, sorted(all_topics()))
    # The relay itself does not need MongoDB.
    mongodb = [LastApplied(settings)] if settings.mongodb_uri else []
    return EpochGuard(
        using=DEFAULT_DB_ALIAS,
        witnesses=[kafka, *mongodb],
        on_new_epoch=ask_for_repair,
        clock=clock,
        counters=counters,
    )


def ask_for_repair(epoch: int, reason: str) -> None:
    """Log the new epoch as the relay's action and request a repair, in the caller's transaction.

    The replica may hold changes that the database has lost.
    """
    with acting_as(ACTOR):
        log_action("new_epoch", f"epoch {epoch}", reason, using=DEFAULT_DB_ALIAS)
        Jobs(DEFAULT_DB_ALIAS).ensure(REPAIR, {}, "all models", reason)
