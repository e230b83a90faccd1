"""What a project's pages, probes and metrics use to observe and operate the pipeline.

Everything here is documented and stays. The functions use the settings (`settings.CDC`) and the
default database, record who did what in the operator log, and raise the errors of `cdc.errors`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from cdc.conf import CdcSettings, cdc_settings
from cdc.consumer.pause import pause, resume
from cdc.dead_letters.console import place
from cdc.dead_letters.decisions import Outcome, discard, replay
from cdc.dead_letters.inspection import Inspection, Inspector
from cdc.errors import Refused
from cdc.feed.audience import Audience
from cdc.jobs.kinds import COUNT, RECONCILE, REPAIR, SNAPSHOT
from cdc.jobs.table import Jobs
from cdc.kafka.topics import Topics
from cdc.models import DeadLetter, Job
from cdc.mongo.client import connect
from cdc.mongo.statistics import Figures, Statistics
from cdc.operator_log import people
from cdc.outbox import table
from cdc.registry import topic_names
from cdc.resync.selection import selections
from cdc.status.facts import PartitionLag, TableCount
from cdc.status.latency import Delays
from cdc.status.probes import ServiceProbes
from cdc.status.reader import StatusReader
from cdc.status.row_trace import trace_row
from cdc.status.verdict import Status, outage_verdict
from cdc.wire.columns import wire_time

__all__ = [
    "COUNT",
    "RECONCILE",
    "REPAIR",
    "SNAPSHOT",
    "Audience",
    "Delays",
    "Figures",
    "PartitionLag",
    "ServiceProbes",
    "Status",
    "StatusReader",
    "TableCount",
    "cancel_job",
    "dead_letter_position",
    "describe_selection",
    "discard_dead_letter",
    "ensure_topics",
    "inspect_dead_letter",
    "outage_verdict",
    "outbox_is_empty",
    "pause_consumers",
    "read_change_rates",
    "read_totals",
    "replay_dead_letter",
    "request_job",
    "resume_consumers",
    "trace_row",
    "user_names",
    "wire_time",
]


def pause_consumers(why: str) -> None:
    """Pause the consumer group until it is resumed; raises Refused when it is paused already."""
    if not pause(cdc_settings().group, why, using=DEFAULT_DB_ALIAS):
        raise Refused("The consumers are already paused.")


def resume_consumers(why: str) -> None:
    """Resume the consumer group; raises Refused when it is not paused."""
    if not resume(cdc_settings().group, why, using=DEFAULT_DB_ALIAS):
        raise Refused("The consumers are not paused.")


def request_job(kind: str, arguments: Mapping[str, Any], target: str, why: str) -> Job:
    """Queue a job for `run_jobs`; raises Refused while another of its kind is unfinished."""
    return Jobs(DEFAULT_DB_ALIAS).ask(kind, arguments, target, why)


def cancel_job(job: Job, why: str) -> None:
    """Cancel a job that is queued or running; raises Refused when it has ended."""
    Jobs(DEFAULT_DB_ALIAS).cancel(job, why)


def describe_selection(model: str | None, conditions: list[str]) -> str:
    """Describe the rows that a snapshot would cover; raises Misconfigured for a wrong condition."""
    return ", ".join(map(str, selections(model, conditions)))


def inspect_dead_letter(letter: DeadLetter) -> Inspection:
    """Compare a dead letter's message with the row and its replicas, whatever is unreachable."""
    return Inspector(cdc_settings(), DEFAULT_DB_ALIAS).inspect(letter)


def replay_dead_letter(letter: DeadLetter, why: str) -> None:
    """Send the letter's row again as it is now; raises Refused, also for a decided letter."""
    _require_resolved(replay([letter], why, using=DEFAULT_DB_ALIAS))


def discard_dead_letter(letter: DeadLetter, why: str) -> None:
    """Close the letter without sending anything; raises Refused for a decided letter."""
    _require_resolved(discard([letter], why, using=DEFAULT_DB_ALIAS))


def dead_letter_position(letter: DeadLetter) -> str:
    """Return where the message was: topic, partition and offset, or its outbox row."""
    return place(letter)


def user_names(actors: Iterable[str]) -> dict[str, str]:
    """Return the login names of those actors that are users."""
    return people(set(actors))


def read_totals(
    table_name: str, collection: str, *, sums: tuple[str, ...], group: str, day: str, days: int
) -> Figures:
    """Sum up a replica collection of a captured table; raises Retryable.

    `sums` are the fields to total; documents are counted by the values of `group`, and for the
    last `days` days of the date field `day`.
    """
    return _statistics().figures(
        collection, table=table_name, sums=sums, group=group, day=day, days=days
    )


def read_change_rates(until: datetime, *, bins: int, seconds: int) -> list[float]:
    """Return changes per second in `bins` intervals of `seconds` before `until`, oldest first.

    Raises Retryable.
    """
    return _statistics().rates(until, bins=bins, seconds=seconds)


def ensure_topics(settings: CdcSettings) -> list[str]:
    """Create the topics of the captured models where missing; return their names."""
    names = topic_names()
    topics = Topics(settings)
    for name in names:
        topics.ensure(name)
    return names


def outbox_is_empty() -> bool:
    """Return whether every committed change has been published; raises a database Error."""
    return table.depth(using=DEFAULT_DB_ALIAS).rows == 0


def _require_resolved(outcome: Outcome) -> None:
    if outcome.refused:
        raise Refused(" ".join(outcome.refused))


# One client per process, created on first use.
@cache
def _statistics() -> Statistics:
    return Statistics(connect(cdc_settings()), cdc_settings())
