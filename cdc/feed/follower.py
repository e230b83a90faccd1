"""The thread that reads new records, even after an outage or the re-creation of the topic."""

import time
from collections.abc import Callable
from contextlib import closing

from cdc.errors import CdcError
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.feed.rendering import RenderedChange
from cdc.runtime import telemetry
from cdc.runtime.loop import backoff
from cdc.runtime.threads import start_thread
from cdc.wire.records import Record
from cdc.wire.topic import OpenTail, Tail

Render = Callable[[Record], RenderedChange | None]
Batch = list[tuple[tuple[int, int], RenderedChange | None]]
"""The partition and offset of each record, and the change to show for it, if any."""
Posted = Batch | FeedPosition | CdcError
_MOST_RECORDS = 500
_POLL_SECONDS = 0.1
_CHECK_SECONDS = 2.0


class Follower:
    """Passes its start position to `post`, then batches of changes.

    If Kafka is unreachable, the follower posts the error. After an outage or an unexpected error,
    the follower resumes at the position that `resume_at` returns. If the topic was re-created or
    truncated and no longer has that position, the follower posts a new start position.
    """

    def __init__(
        self,
        open_tail: OpenTail,
        render: Render,
        post: Callable[["Follower", Posted], bool],
        resume_at: Callable[[], FeedPosition | None],
    ) -> None:
        self._open_tail, self._render, self._post = open_tail, render, post
        self._resume_at = resume_at
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
        """Ask the thread to end within a second; this method does not wait for it to end."""
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
        """Read until stopped, or until the topic is re-created or gets new partitions."""
        bounds = tail.bounds()
        start = _start(self._resume_at(), FeedBounds.of(bounds))
        if not self._post(self, start):
            return
        self._failures = 0
        tail.start(dict(enumerate(start.offsets)))
        checked = time.monotonic()
        while not self.stopped:
            records = tail.poll(_MOST_RECORDS, _POLL_SECONDS)
            if records and not self._post(self, list(map(self._rendered, records))):
                return
            if time.monotonic() - checked > _CHECK_SECONDS:
                checked = time.monotonic()
                # The client does not report a lost broker or topic; it waits silently.
                if tail.shape() != bounds.shape:
                    return

    def _rendered(self, record: Record) -> tuple[tuple[int, int], RenderedChange | None]:
        return (record.source.partition, record.offset), self._render(record)


def _start(at: FeedPosition | None, bounds: FeedBounds) -> FeedPosition:
    """Return the position at which to resume; the topic's end if nothing has been read yet."""
    if at is None:
        return bounds.end
    fitted = at.fitted(bounds.end)
    if fitted is None:
        return bounds.first  # No change of the new topic has been read yet.
    # If the topic was truncated, reading continues at the topic's end.
    held = fitted.covers(bounds.first) and bounds.end.covers(fitted)
    return fitted if held else bounds.end
