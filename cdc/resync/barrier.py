"""Waits until the replica has applied all changes that are already committed."""

from collections.abc import Callable, Mapping, Sequence

from django.db.models import Max

from cdc.conf import CdcSettings
from cdc.errors import CdcError, Retryable
from cdc.kafka.topics import Topics
from cdc.kafka.watermarks import Watermarks
from cdc.models import ConsumerPause, OutboxRecord
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions, StoredOffset
from cdc.runtime.clock import Clock
from cdc.wire.records import TopicPartition

PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.02
_NO_RELAY = "The outbox is not draining: check that `manage.py relay_outbox` is running"
_NO_CONSUMER = (
    "The consumer is not catching up: check that `manage.py consume_and_save_to_mongodb` is running"
)
_PAUSED = "The consumers are paused: resume them on the Pipeline page"


class WaitStopped(CdcError):
    """The run was stopped while it waited at the barrier."""


class Barrier:
    """Waits until the outbox has drained, and then until the consumer has caught up."""

    def __init__(
        self,
        settings: CdcSettings,
        topics: Sequence[str],
        clock: Clock,
        *,
        using: str,
        patience: float = PATIENCE_SECONDS,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`wait` raises Retryable after `patience` seconds without progress."""
        self._topic_names = topics
        self._topics = Topics(settings)
        self._watermarks = Watermarks(settings)
        self._positions = Positions(connect(settings), settings)
        self._clock = clock
        self._rows = OutboxRecord.objects.using(using)
        self._pauses = ConsumerPause.objects.using(using).filter(group=settings.group)
        self._patience = patience
        self._stopped = stopped

    def wait(self) -> None:
        """Wait until the replica has applied every change that was committed before the call.

        When this method returns, the replica has also applied every message that Kafka contained at
        the call, even if a restored database has lost the change.

        Raise Retryable if the relay or the consumer makes no progress. The message says which of
        the two. Raise WaitStopped if `stopped` returns True.
        """
        highest = self._rows.aggregate(highest=Max("id"))["highest"] or 0
        self._until_none(lambda: self._rows.filter(id__lte=highest).count(), lambda: _NO_RELAY)
        ends = {
            source: self._watermarks.of(source)
            for name in self._topic_names
            for number in self._topics.partitions(name)
            for source in [TopicPartition(name, number)]
        }
        # A topic need not exist before the first event of its model.
        ids = {name: self._topics.topic_id(name) for name in {source.topic for source in ends}}
        self._until_none(
            lambda: self._lag(ends, ids), lambda: _PAUSED if self._pauses.exists() else _NO_CONSUMER
        )

    def _lag(self, ends: dict[TopicPartition, tuple[int, int]], ids: Mapping[str, str]) -> int:
        positions = self._positions.stored()
        return sum(
            self._missing(source, positions.get(source), ids[source.topic], ends[source])
            for source in ends
        )

    def _missing(
        self,
        source: TopicPartition,
        stored: StoredOffset | None,
        topic_id: str,
        bounds: tuple[int, int],
    ) -> int:
        """Return the number of records before `end` that are not applied.

        If the position belongs to a deleted topic or is past the partition's present end, Kafka has
        lost records. In both cases, no record counts as applied until the consumer has found the
        gap.
        """
        first, end = bounds
        if stored is not None and not stored.is_of(topic_id):
            return max(end - first, 1)
        position = first if stored is None else stored.next_offset
        if position > end:
            first, present = self._watermarks.of(source)
            return max(end - first, 1) if position > present else 0
        return end - position

    def _until_none(self, count: Callable[[], int], problem: Callable[[], str]) -> None:
        waiting = fewest = count()
        since = self._clock.monotonic()
        while waiting:
            if self._stopped():
                raise WaitStopped("The run was stopped while it waited at the barrier.")
            if self._clock.monotonic() - since > self._patience:
                raise Retryable(f"Changes queued: {waiting}. {problem()}.")
            self._clock.sleep(_POLL_SECONDS)
            waiting = count()
            if waiting < fewest:
                fewest, since = waiting, self._clock.monotonic()
