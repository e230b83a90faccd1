"""Fault points: named places in the code where a test can kill or suspend the process.

With `CDC_FAULT=relay.produced:kill:3` the process sends itself SIGKILL when it reaches the point
`relay.produced` for the third time. The action `stop` sends SIGSTOP, which suspends the process
until it receives SIGCONT. Separate several faults with commas. To arm a fault in a running process,
set `CDC_FAULT_FILE` to the path of a file with faults in the same format. Each point reads this
file and ignores the count; the file is removed just before the fault happens. Without these
variables, a point costs one dictionary lookup.
"""

import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from cdc.errors import Misconfigured

VARIABLE, FILE_VARIABLE = "CDC_FAULT", "CDC_FAULT_FILE"
RELAY_READ = "relay.read"
"""Rows have been read; none of them has been published."""
RELAY_PRODUCED = "relay.produced"
"""Kafka has acknowledged the batch; its rows are still in the outbox."""
RELAY_ACKNOWLEDGED = "relay.acknowledged"
"""A separate thread has deleted the rows from the outbox."""
CONSUMER_POLLED = "consumer.polled"
"""Records have been read; none of them has been applied."""
CONSUMER_TAKEN = "consumer.taken"
"""A partition has been taken over; none of its records has been fetched."""
CONSUMER_APPLIED = "consumer.applied"
"""The transaction has been committed; its offsets have not been committed to Kafka."""
REPLICA_MOVED = "replica.moved"
"""Inside the transaction: the positions have been moved, no document has been written."""
REPLICA_DIRECT = "replica.direct"
"""Inside the transaction of a batch that needs no lookup: only the history is still unwritten."""
REPLICA_WRITTEN = "replica.written"
"""Inside the transaction: everything has been written, nothing has been committed."""
DEAD_LETTER_STORED = "dead_letter.stored"
"""A dead letter has been stored; the offset has not been moved."""

POINTS = frozenset(
    {
        RELAY_READ,
        RELAY_PRODUCED,
        RELAY_ACKNOWLEDGED,
        CONSUMER_POLLED,
        CONSUMER_TAKEN,
        CONSUMER_APPLIED,
        REPLICA_MOVED,
        REPLICA_DIRECT,
        REPLICA_WRITTEN,
        DEAD_LETTER_STORED,
    }
)
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def parse(text: str) -> dict[str, tuple[signal.Signals, int]]:
    """Return the signal and the count for each point in `text`.

    Raise Misconfigured if `text` is invalid.
    """
    armed = {}
    for item in filter(None, text.split(",")):
        point, _, rest = item.partition(":")
        action, _, times = rest.partition(":")
        if point not in POINTS or action not in _SIGNALS or not (times or "1").isdigit():
            raise Misconfigured(
                f"{VARIABLE} contains {item!r}: use POINT:kill|stop[:TIMES], "
                f"with POINT one of {', '.join(sorted(POINTS))}."
            )
        armed[point] = (_SIGNALS[action], int(times or "1"))
    return armed


class Faults:
    """Counts how often each armed point is reached, and sends the signal at the given count."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._armed = parse(environment.get(VARIABLE, ""))
        self._reached: Counter[str] = Counter()
        name = environment.get(FILE_VARIABLE)
        self._file = Path(name) if name else None

    def reach(self, point: str) -> None:
        """Trigger the fault of `point` if it is armed."""
        if self._file is not None:
            _trigger_from(self._file, point)
        if point not in self._armed:
            return
        self._reached[point] += 1
        number, times = self._armed[point]
        if self._reached[point] == times:
            os.kill(os.getpid(), number)


def _trigger_from(file: Path, point: str) -> None:
    armed = parse(file.read_text()) if file.exists() else {}
    if point in armed:
        # Remove the file first: a test that waits for the fault waits until the file is removed.
        file.unlink()
        os.kill(os.getpid(), armed[point][0])


reach = Faults(os.environ).reach
