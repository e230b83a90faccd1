"""The thread that reads new records, even after an outage or after the topic was recreated."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field

from cdc.errors import CdcError
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.runtime import telemetry
from cdc.runtime.retry import backoff
from cdc.runtime.threads import start_thread
from cdc.wire.records import Record
from cdc.wire.topic import OpenTail, Tail

Render = Callable[[Record], RenderedChange | None]
ReadRecord = tuple[tuple[int, int], RenderedChange | None]
"""The partition and offset of a record, and the change to show for it, if any."""
Batch = list[ReadRecord]


@dataclass(frozen=True, slots=True)
class Start:
    """The position at which the follower starts, and the records that it read in advance."""

    position: FeedPosition
    recent: Batch


@dataclass(slots=True)
class _Recent:
    """The records from `start` to `at`, of which none is missing."""

    start: FeedPosition
    at: FeedPosition
    batch: Batch = field(default_factory=list)

    def add(self, place: tuple[int, int], change: RenderedChange | None) -> None:
        self.skip(*place)
        self.batch.append((place, change))
        self.at = self.at.after(*place)

    def skip(self, partition: int, offset: int) -> None:
        """Start the partition at `offset` if Kafka has removed records before it."""
        if offset > self.at.offsets[partition]:
            self.start = self.start.moved({partition: offset})
            self.at = self.at.moved({partition: offset})
            self.batch = [each for each in self.batch if each[0][0] != partition]


Posted = Batch | Start | CdcError
_MOST_RECORDS = 500
_RECENT_SECONDS = 2.0
_POLL_SECONDS = 0.1
_CHECK_SECONDS = 2.0


class Follower:
    """Passes its start to `post`, then batches of changes.

    The first start includes the most recent changes of the topic, unless reading them takes too
    long. If Kafka is unreachable, the follower posts the error. After an outage or an unexpected
    error, the follower posts a start at the position that `resume_at` returns. If the topic was
    recreated or no longer has the records at that position, this start has a different position.
    """

    def __init__(
        self,
        open_tail: OpenTail,
        render: Render,
        post: Callable[["Follower", Posted], bool],
        resume_at: Callable[[], FeedPosition | None],
        recent: int = 0,
    ) -> None:
        """The first start includes up to `recent` of the topic's last records."""
        self._open_tail, self._render, self._post = open_tail, render, post
        self._resume_at, self._most_recent = resume_at, recent
        self.stopped = False
        self._failures = 0

    def start(self) -> None:
        start_thread(
            "feed",
            self._run,
            stopped=lambda: self.stopped,
            on_error=lambda error: self._post(self, error),
        )

    def stop(self) -> None:
        """Ask the thread to end after its current request; do not wait for the end."""
        self.stopped = True

    def _run(self) -> None:
        while not self.stopped:
            try:
                with closing(self._open_tail()) as tail:
                    self._follow(tail)
            except CdcError as error:
                delay = backoff(self._failures)
                if not self._failures:
                    telemetry.log_retry(telemetry.FEED_RETRY, error, delay)
                self._post(self, error)
                time.sleep(delay)
                self._failures += 1

    def _follow(self, tail: Tail) -> None:
        """Read until stopped, or until the topic is recreated or gets new partitions."""
        bounds = tail.bounds()
        start = self._start(tail, FeedBounds.of(bounds))
        if not self._post(self, start):
            return
        self._failures = 0
        checked = time.monotonic()
        while not self.stopped:
            records = tail.poll(_MOST_RECORDS, _POLL_SECONDS)
            if records and not self._post(self, in_time_order(map(self._rendered, records))):
                return
            if time.monotonic() - checked > _CHECK_SECONDS:
                checked = time.monotonic()
                # The client does not report a lost broker or topic; it waits silently.
                if tail.shape() != bounds.shape:
                    return

    def _start(self, tail: Tail, bounds: FeedBounds) -> Start:
        """Start the tail where reading begins or resumes; return that position."""
        at = self._resume_at()
        if at is None and (recent := self._recent(tail, bounds)):
            return recent
        position = bounds.end if at is None else _fitted(at, bounds)
        tail.start(dict(enumerate(position.offsets)))
        return Start(position, [])

    def _recent(self, tail: Tail, bounds: FeedBounds) -> Start | None:
        """Read the last records of the topic; return None if that takes too long."""
        start = _before_end(bounds, self._most_recent)
        recent = _Recent(start, start)
        deadline = time.monotonic() + _RECENT_SECONDS
        tail.start(dict(enumerate(start.offsets)))
        while not recent.at.covers(bounds.end):
            if self.stopped or time.monotonic() > deadline:
                return None
            for record in tail.poll(_MOST_RECORDS, _POLL_SECONDS):
                recent.add(*self._rendered(record))
            for partition, end in tail.ended().items():
                recent.skip(partition, end)
        return Start(recent.start, in_time_order(recent.batch))

    def _rendered(self, record: Record) -> ReadRecord:
        return (record.source.partition, record.offset), self._render(record)


def in_time_order(records: Iterable[ReadRecord]) -> Batch:
    """Return the records in the order of their times. Each partition keeps its own order.

    Kafka returns the records of one partition after those of another.
    """
    latest: defaultdict[int, int] = defaultdict(int)

    def time_of(record: ReadRecord) -> int:
        (partition, _), change = record
        latest[partition] = max(latest[partition], change.ts_ms if change else 0)
        return latest[partition]

    return sorted(records, key=time_of)


def _before_end(bounds: FeedBounds, records: int) -> FeedPosition:
    """Return the position that precedes about the last `records` records of the topic."""
    each = records // len(bounds.end.offsets)
    pairs = enumerate(zip(bounds.first.offsets, bounds.end.offsets, strict=True))
    return bounds.end.moved({number: max(first, end - each) for number, (first, end) in pairs})


def _fitted(at: FeedPosition, bounds: FeedBounds) -> FeedPosition:
    """Return the position at which to resume."""
    fitted = at.fitted(bounds.end)
    if fitted is None:
        return bounds.first  # No change of the new topic has been read yet.
    # If Kafka has lost or removed records at this position, reading continues at the topic's end.
    held = fitted.covers(bounds.first) and bounds.end.covers(fitted)
    return fitted if held else bounds.end
