"""The names of the log events and counters of `cdc`. Log fields never contain a payload."""

import logging
from typing import Protocol

from cdc.errors import CdcError

RELAY_STARTED = "relay.started"
RELAY_STANDBY = "relay.standby"
RELAY_SENT_AGAIN = "relay.sent_again"
RELAY_STOPPED = "relay.stopped"
RELAY_RETRY = "relay.retry"
RELAY_NOT_SENT_AGAIN = "relay.not_sent_again"
OUTBOX_SENT = "outbox.sent"
OUTBOX_REJECTED = "outbox.rejected"
OUTBOX_LOCKED = "outbox.locked"
OUTBOX_OVERLOOKED = "outbox.overlooked"
OUTBOX_IDS_REUSED = "outbox.ids_reused"
CONSUMER_STARTED = "consumer.started"
CONSUMER_STOPPED = "consumer.stopped"
CONSUMER_RETRY = "consumer.retry"
CONSUMER_PAUSED = "consumer.paused"
CONSUMER_RESUMED = "consumer.resumed"
CONSUMER_PAUSE_UNKNOWN = "consumer.pause_unknown"
PARTITION_TAKEN = "partition.taken"
PARTITION_RECREATED = "partition.recreated"
PARTITIONS_CHANGED = "partitions.changed"
GROUP_REJOINED = "group.rejoined"
PARTITION_GAP = "partition.gap"
JOBS_STARTED = "jobs.started"
JOBS_STOPPED = "jobs.stopped"
JOB_RETRY = "job.retry"
DOCTOR_FOUND = "doctor.found"
BATCH_APPLIED = "batch.applied"
MESSAGE_REJECTED = "message.rejected"
VERSION_REUSED = "version.reused"
TOMBSTONE_IGNORED = "tombstone.ignored"
KAFKA_ERROR = "kafka.error"
KAFKA_CLIENT_RENEWED = "kafka.client_renewed"
FEED_RETRY = "feed.retry"
THREAD_FAILED = "thread.failed"
TRACES_OFF = "traces.off"
REQUEST_REFUSED = "request.refused"
COMMAND_FAILED = "command.failed"
COMMAND_CRASHED = "command.crashed"

DUPLICATE = "duplicates_absorbed"
STALE = "stale_refused"
FENCED = "fences"
RETRIED = "retries"
REJECTED = "dead_letters"
SENT_AGAIN = "sent_again"
IDS_REUSED = "ids_reused"
COUNTERS = (DUPLICATE, STALE, FENCED, RETRIED, REJECTED, SENT_AGAIN, IDS_REUSED)


_log = logging.getLogger(__name__)


class Tally(Protocol):
    """Counts the events of a loop; see `Counters`."""

    def add(self, name: str, number: int = 1) -> None: ...

    def flush(self) -> None:
        """Store the counts if a flush is due; may block only rarely, and never raises an error."""


def log(logger: logging.Logger, level: int, event: str, **fields: object) -> None:
    """Write one log record: the event's name as the message, with its fields."""
    logger.log(level, event, extra=fields)


def log_retry(event: str, error: CdcError, seconds: float) -> None:
    """Log that a step failed with `error` and is retried after `seconds`."""
    log(_log, logging.WARNING, event, error=str(error), seconds=round(seconds, 2))
