"""The limit of dead letters above which the consumer stops."""

import logging
from collections import deque
from dataclasses import asdict

from cdc.consumer import spans
from cdc.errors import Fatal
from cdc.runtime import telemetry
from cdc.wire.records import Record

MAX_REJECTED = 100
"""The maximum number of dead letters among the last `WINDOW` messages."""
WINDOW = 1_000
_log = logging.getLogger(__name__)


def report_rejected(record: Record, reason: str) -> None:
    """Log that a message became a dead letter, and add this to its trace.

    `reason` must not quote values of the message.
    """
    telemetry.log(
        _log,
        logging.ERROR,
        telemetry.MESSAGE_REJECTED,
        **asdict(record.source),
        offset=record.offset,
        reason=reason,
    )
    spans.rejected(record, reason)


class RejectionLimit:
    """Stops the consumer if more than `maximum` of the last `window` messages became dead letters.

    Two causes would turn the whole topic into dead letters: a producer that writes a different
    format, and a consumer that is older than the message format. Only new dead letters count. Each
    process counts from zero, so a restarted consumer may store as many dead letters again.
    """

    def __init__(self, maximum: int = MAX_REJECTED, window: int = WINDOW) -> None:
        self._maximum = maximum
        self._window = window
        self._seen = 0
        self._rejected: deque[int] = deque()

    def applied(self, messages: int) -> None:
        """Count applied messages."""
        self._seen += messages

    def rejected(self) -> None:
        """Count a new dead letter; raise Fatal above the limit."""
        self._seen += 1
        self._rejected.append(self._seen)
        while self._rejected[0] <= self._seen - self._window:
            self._rejected.popleft()
        if len(self._rejected) > self._maximum:
            raise Fatal(
                f"{len(self._rejected)} of the last {min(self._seen, self._window)} messages "
                f"became dead letters, more than {self._maximum}. The consumer stops before it "
                "applies this batch, so no message is skipped. To see the reasons, run "
                "`manage.py dead_letters list`. Fix the producer, or update the consumer if it is "
                "older than the message format. Then restart the consumer, which reads this batch "
                "again."
            )
