"""The thread that follows the topic, through outages, restarts and a topic made anew."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing

from cdc.errors import CdcError
from cdc.feed.change import Change
from cdc.feed.position import FeedBounds, FeedPosition
from cdc.runtime import telemetry
from cdc.runtime.loop import backoff
from cdc.wire.records import Record
from cdc.wire.topic import OpenTail, Tail

Batch = list[tuple[tuple[int, int], Change | None]]
"""(partition, offset) of each record, and what it shows."""
Posted = Batch | FeedPosition | CdcError
_MOST_RECORDS = 500
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Follower:
    """Posts first where it starts, then what it reads; an error when Kafka does not answer.

    After an outage it goes on where the last batch ended. When Kafka cannot give that any more,
    because the topic was made anew or cut, it posts another start.
    """

    def __init__(
        self,
        open_tail: OpenTail,
        read: Callable[[Record], Change | None],
        post: Callable[["Follower", Posted], bool],
        at: Callable[[], FeedPosition | None],
    ) -> None:
        self._open_tail, self._read, self._post, self._at = open_tail, read, post, at
        self.stopped = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask for the end; it comes within a second."""
        self.stopped = True

    def _run(self) -> None:
        while not self.stopped:
            try:
                with closing(self._open_tail()) as tail:
                    self._follow(tail)
            except CdcError as error:
                if not self._failures:
                    telemetry.log(_log, logging.WARNING, telemetry.FEED_RETRY, error=str(error))
                self._post(self, error)
                time.sleep(backoff(self._failures))
                self._failures += 1

    def _follow(self, tail: Tail) -> None:
        """Read until told to stop, or until the topic is no longer what it was."""
        bounds = tail.bounds()
        start = _start(self._at(), FeedBounds.of(bounds))
        if not self._post(self, start):
            return
        self._failures = 0
        tail.start(dict(enumerate(start.offsets)))
        looked = time.monotonic()
        while not self.stopped:
            records = tail.poll(_MOST_RECORDS, _POLL_SECONDS)
            if records and not self._post(self, list(map(self._shown, records))):
                return
            if time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                # The client itself waits in silence, whatever happens to brokers and topic.
                if tail.shape() != bounds.shape:
                    return

    def _shown(self, record: Record) -> tuple[tuple[int, int], Change | None]:
        return (record.source.partition, record.offset), self._read(record)


def _start(at: FeedPosition | None, bounds: FeedBounds) -> FeedPosition:
    """Return where to go on; the topic's end for who has read nothing yet."""
    if at is None:
        return bounds.end
    fitted = at.fitted(bounds.end)
    if fitted is None:
        return bounds.first  # another topic, whose changes nobody has seen
    # A topic that was cut goes on where it ends.
    held = fitted.covers(bounds.first) and bounds.end.covers(fitted)
    return fitted if held else bounds.end
