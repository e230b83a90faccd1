"""Every log event and counter of the feed, by name; fields never hold a payload."""

import logging
from typing import Protocol

RELAY_STARTED = "relay.started"
RELAY_STANDBY = "relay.standby"
RELAY_SENT_AGAIN = "relay.sent_again"
RELAY_STOPPED = "relay.stopped"
RELAY_RETRY = "relay.retry"
OUTBOX_SENT = "outbox.sent"
OUTBOX_REJECTED = "outbox.rejected"
CONSUMER_STARTED = "consumer.started"
CONSUMER_STOPPED = "consumer.stopped"
CONSUMER_RETRY = "consumer.retry"
CONSUMER_REBALANCED = "consumer.rebalanced"
CONSUMER_PAUSED = "consumer.paused"
CONSUMER_RESUMED = "consumer.resumed"
CONSUMER_PAUSE_UNKNOWN = "consumer.pause_unknown"
PARTITION_TAKEN = "partition.taken"
PARTITION_RECREATED = "partition.recreated"
PARTITIONS_CHANGED = "partitions.changed"
PARTITION_GAP = "partition.gap"
JOBS_STARTED = "jobs.started"
JOBS_STOPPED = "jobs.stopped"
JOB_RETRY = "job.retry"
BATCH_APPLIED = "batch.applied"
MESSAGE_REJECTED = "message.rejected"
KAFKA_ERROR = "kafka.error"
FEED_RETRY = "feed.retry"

DUPLICATE = "duplicates_absorbed"
STALE = "stale_refused"
FENCED = "fences"
RETRIED = "retries"
REJECTED = "dead_letters"
SENT_AGAIN = "sent_again"
COUNTERS = (DUPLICATE, STALE, FENCED, RETRIED, REJECTED, SENT_AGAIN)


class Tally(Protocol):
    """Counts."""

    def add(self, name: str, number: int = 1) -> None:
        """Count `number` more."""

    def flush(self) -> None:
        """Keep what was counted, when it is time; never in the way."""


def log(logger: logging.Logger, level: int, event: str, **fields: object) -> None:
    """Write one record: the event's name and its fields."""
    logger.log(level, event, extra=fields)
