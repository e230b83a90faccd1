"""Public functions that observe and operate the pipeline, for pages, probes and metrics.

The names in `__all__` are documented and stay compatible. The functions use `settings.CDC` and the
default database, and raise the errors of `cdc.errors`. A function with the argument `why` records
the action, its actor and this reason in the operator log.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from cdc.audience import Audience
from cdc.conf import CdcSettings, cdc_settings
from cdc.consumer.pause import pause, resume
from cdc.dead_letters.decisions import Outcome, discard, each_of, replay
from cdc.dead_letters.inspection import Inspection, Inspector
from cdc.dead_letters.visible import operations_of, place, visible_key, visible_reason
from cdc.doctor.check import Check, Level
from cdc.doctor.report import examine
from cdc.errors import Refused
from cdc.jobs.kinds import COUNT, KINDS, RECONCILE, REPAIR, SNAPSHOT, JobKind, register_job
from cdc.jobs.runner import JobContext
from cdc.jobs.table import Jobs
from cdc.kafka.topics import Topics
from cdc.models import DeadLetter, Job
from cdc.mongo.client import connect
from cdc.mongo.reader import ReplicaReader
from cdc.mongo.statistics import Figures, Statistics
from cdc.mongo.throughput import Throughput
from cdc.operator_log import people
from cdc.outbox import table
from cdc.registry import topic_names
from cdc.resync.selection import selections, visible_conditions
from cdc.status.facts import PartitionLag, TableCount
from cdc.status.findings import Part, State
from cdc.status.latency import MINUTES, MOST_CHANGES, Delays, delays_of
from cdc.status.outage import outage as outage_verdict
from cdc.status.probes import ServiceProbes
from cdc.status.reader import StatusReader
from cdc.status.row_trace import trace_row
from cdc.status.verdict import Status
from cdc.wire.columns import wire_time

__all__ = [
    "COUNT",
    "RECONCILE",
    "REPAIR",
    "SNAPSHOT",
    "Audience",
    "Check",
    "Delays",
    "Figures",
    "JobContext",
    "JobKind",
    "Outcome",
    "Part",
    "PartitionLag",
    "ServiceProbes",
    "State",
    "Status",
    "StatusReader",
    "TableCount",
    "Throughput",
    "cancel_job",
    "count_changes",
    "dead_letter_operations",
    "dead_letter_position",
    "dead_letter_texts",
    "deployment_problems",
    "describe_selection",
    "discard_dead_letter",
    "discard_dead_letters",
    "ensure_job",
    "ensure_topics",
    "inspect_dead_letter",
    "job_kind",
    "outage_verdict",
    "outbox_is_empty",
    "pause_consumers",
    "read_change_rates",
    "read_delays",
    "read_throughput",
    "read_totals",
    "register_job",
    "replay_dead_letter",
    "replay_dead_letters",
    "request_job",
    "resume_consumers",
    "trace_row",
    "user_names",
    "visible_conditions",
    "wire_time",
]


def deployment_problems() -> list[Check]:
    """Return the warnings and errors of `manage.py doctor`."""
    found = examine(cdc_settings(), DEFAULT_DB_ALIAS)
    return [check for check in found if check.level is not Level.OK]


def pause_consumers(why: str) -> None:
    """Pause the consumers until they are resumed; raise Refused if they are already paused."""
    if not pause(cdc_settings().group, why, using=DEFAULT_DB_ALIAS):
        raise Refused("The consumers are already paused.")


def resume_consumers(why: str) -> None:
    """Resume the consumers; raise Refused if they are not paused."""
    if not resume(cdc_settings().group, why, using=DEFAULT_DB_ALIAS):
        raise Refused("The consumers are not paused.")


def request_job(kind: str, arguments: Mapping[str, Any], target: str, why: str) -> Job:
    """Queue a job for `run_jobs`; raise Refused if another job of this kind is unfinished.

    `kind` is COUNT, RECONCILE, REPAIR or SNAPSHOT. COUNT and SNAPSHOT have the arguments `model`
    and `where`, as in `describe_selection`. SNAPSHOT may also have `rate`, the maximum number of
    rows per second. `target` describes the rows for the operator log.
    """
    return Jobs(DEFAULT_DB_ALIAS).ask(kind, arguments, target, why)


def ensure_job(kind: str, arguments: Mapping[str, Any], target: str, why: str) -> Job:
    """Queue a job and return it. If an identical job is waiting, return that job instead.

    `kind` may be any registered kind. Unlike `request_job`, this function queues a job even if
    another job of this kind is unfinished.
    """
    return Jobs(DEFAULT_DB_ALIAS).ensure(kind, arguments, target, why)


def job_kind(name: str) -> JobKind | None:
    """Return the kind of job with this name, or None if no app of this process registers it."""
    return KINDS.get(name)


def cancel_job(job: Job, why: str) -> None:
    """Cancel a queued or running job; raise Refused if the job has ended or been cancelled."""
    Jobs(DEFAULT_DB_ALIAS).cancel(job, why)


def describe_selection(model: str | None, conditions: list[str]) -> str:
    """Describe the rows that a snapshot would send.

    `model` is the label of a captured model, or None for all captured models. Each condition is
    `field=value`. Raise Misconfigured if an argument is invalid.
    """
    return ", ".join(map(str, selections(model, conditions)))


def inspect_dead_letter(letter: DeadLetter, audience: Audience = Audience.OVERSEERS) -> Inspection:
    """Compare a dead letter's message with the current row and its current documents in MongoDB.

    The result contains only what `audience` may see. If MongoDB is unreachable, it contains only
    the message and the row.
    """
    return Inspector(cdc_settings(), DEFAULT_DB_ALIAS).inspect(letter, audience)


def dead_letter_texts(letter: DeadLetter, audience: Audience) -> tuple[str, str]:
    """Return the key and the reason of a dead letter as `audience` may see them."""
    return visible_key(letter, audience), visible_reason(letter, audience)


def replay_dead_letter(letter: DeadLetter, why: str) -> None:
    """Send the current state of the row to which the dead letter belongs.

    Raise Refused if the row cannot be sent, or if the dead letter is already resolved.
    """
    _require_resolved(replay([letter], why, using=DEFAULT_DB_ALIAS))


def discard_dead_letter(letter: DeadLetter, why: str) -> None:
    """Mark the dead letter as discarded; raise Refused if it is already resolved."""
    _require_resolved(discard([letter], why, using=DEFAULT_DB_ALIAS))


def replay_dead_letters(numbers: Iterable[int], why: str) -> Outcome:
    """Replay the dead letters with these ids, as `replay_dead_letter` does; return the outcome.

    If the replay of one dead letter is refused, the others are still replayed.
    """
    return replay(each_of(numbers, using=DEFAULT_DB_ALIAS), why, using=DEFAULT_DB_ALIAS)


def discard_dead_letters(numbers: Iterable[int], why: str) -> Outcome:
    """Mark the dead letters with these ids as discarded; return the outcome."""
    return discard(each_of(numbers, using=DEFAULT_DB_ALIAS), why, using=DEFAULT_DB_ALIAS)


def dead_letter_operations(numbers: Collection[int]) -> dict[int, str]:
    """Return the operation (c, u, d or r) that each message names, keyed by dead letter id.

    A tombstone counts as a delete. A message that is very large, or that names no valid operation,
    is left out.
    """
    return operations_of(numbers, using=DEFAULT_DB_ALIAS)


def dead_letter_position(letter: DeadLetter) -> str:
    """Return where the message was found: topic, partition and offset, or the outbox row."""
    return place(letter)


def user_names(actors: Iterable[str]) -> dict[str, str]:
    """Return the login names of those actors that are users, as a dictionary keyed by actor."""
    return people(set(actors))


def read_totals(
    table_name: str, collection: str, *, sums: tuple[str, ...], group: str, day: str, days: int
) -> Figures:
    """Return totals over the documents in `collection`, a replica collection of `table_name`.

    The totals are the sum of each field in `sums`, the number of documents for each value of the
    field `group`, and the number of documents for each of the `days` days up to the newest date.
    `day` names the field with the date of a document. Raise Retryable if MongoDB is unavailable.
    """
    return _statistics().figures(
        collection, table=table_name, sums=sums, group=group, day=day, days=days
    )


def read_change_rates(until: datetime, *, bins: int, seconds: int) -> list[float]:
    """Return the number of changes per second in `bins` intervals before `until`, oldest first.

    Each interval is `seconds` long. Raise Retryable if MongoDB is unavailable.
    """
    return _statistics().rates(until, bins=bins, seconds=seconds)


def read_throughput(until: datetime, *, bins: int, seconds: int) -> Throughput:
    """Return the changes in each part of the pipeline during `bins` intervals before `until`.

    Each interval is `seconds` long. Raise Retryable if MongoDB is unavailable.
    """
    return _statistics().throughput(until, bins=bins, seconds=seconds)


def count_changes(since: datetime) -> int:
    """Return the number of changes that were saved since a time and have reached the replica.

    Raise Retryable if MongoDB is unavailable.
    """
    return _statistics().changes_since(since)


def read_delays() -> Delays:
    """Return how long the newest changes took to reach the replica.

    Raise Retryable if MongoDB is unavailable.
    """
    since = datetime.now(UTC) - timedelta(minutes=MINUTES)
    return delays_of(_replica().delays(since, MOST_CHANGES))


def ensure_topics(settings: CdcSettings) -> list[str]:
    """Create the missing topics of the project's captured models; return all their topics."""
    names = topic_names()
    topics = Topics(settings)
    for name in names:
        topics.ensure(name)
    return names


def outbox_is_empty() -> bool:
    """Return whether every committed change has been published; raise Django's database Error."""
    return table.depth(using=DEFAULT_DB_ALIAS).rows == 0


def _require_resolved(outcome: Outcome) -> None:
    if outcome.unchanged:
        raise Refused(" ".join(outcome.unchanged))


# One client per process, created on first use.
@cache
def _statistics() -> Statistics:
    return Statistics(connect(cdc_settings()), cdc_settings())


@cache
def _replica() -> ReplicaReader:
    return ReplicaReader(connect(cdc_settings()), cdc_settings())
