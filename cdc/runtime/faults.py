"""Named points at which a test can stop a process of the feed, and only a test.

`CDC_FAULT=relay.produced:kill:3` sends SIGKILL to the process when it reaches the point
`relay.produced` for the third time; `stop` sends SIGSTOP, from which SIGCONT wakes it. Several are
separated by commas. A file that `CDC_FAULT_FILE` names is read at each point instead and removed
when its fault happens, so that a process can be armed while it runs. Without the two variables a
point costs one look at an empty table.
"""

import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from cdc.errors import Misconfigured

VARIABLE, FILE_VARIABLE = "CDC_FAULT", "CDC_FAULT_FILE"
RELAY_READ = "relay.read"
"""Rows were read, nothing is produced."""
RELAY_PRODUCED = "relay.produced"
"""Kafka acknowledged the batch, its rows are still in the outbox."""
RELAY_ACKNOWLEDGED = "relay.acknowledged"
"""The rows left the outbox."""
CONSUMER_POLLED = "consumer.polled"
"""Records were read, nothing is applied."""
CONSUMER_TAKEN = "consumer.taken"
"""A partition was taken over, it is not fetched yet."""
CONSUMER_APPLIED = "consumer.applied"
"""The transaction is committed, Kafka knows no offset of it."""
REPLICA_MOVED = "replica.moved"
"""Inside the transaction: the positions moved, no document is written."""
REPLICA_WRITTEN = "replica.written"
"""Inside the transaction: everything is written, nothing is committed."""
DEAD_LETTER_STORED = "dead_letter.stored"
"""A dead letter is stored, its offset has not moved."""

POINTS = frozenset(
    {
        RELAY_READ,
        RELAY_PRODUCED,
        RELAY_ACKNOWLEDGED,
        CONSUMER_POLLED,
        CONSUMER_TAKEN,
        CONSUMER_APPLIED,
        REPLICA_MOVED,
        REPLICA_WRITTEN,
        DEAD_LETTER_STORED,
    }
)
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def parse(text: str) -> dict[str, tuple[signal.Signals, int]]:
    """Return the signal and the count of each point in `text`; raises Misconfigured."""
    armed = {}
    for item in filter(None, text.split(",")):
        point, _, rest = item.partition(":")
        action, _, times = rest.partition(":")
        if point not in POINTS or action not in _SIGNALS or not (times or "1").isdigit():
            raise Misconfigured(
                f"{VARIABLE} has {item!r}: give POINT:kill|stop[:TIMES], "
                f"POINT one of {', '.join(sorted(POINTS))}."
            )
        armed[point] = (_SIGNALS[action], int(times or "1"))
    return armed


class Faults:
    """Counts how often each armed point was reached, and stops the process when it is time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._armed = parse(environment.get(VARIABLE, ""))
        self._reached: Counter[str] = Counter()
        name = environment.get(FILE_VARIABLE)
        self._file = Path(name) if name else None

    def reach(self, point: str) -> None:
        """Say that the process has come to `point`."""
        if self._file is not None:
            _obey(self._file, point)
        if point not in self._armed:
            return
        self._reached[point] += 1
        number, times = self._armed[point]
        if self._reached[point] == times:
            os.kill(os.getpid(), number)


def _obey(file: Path, point: str) -> None:
    armed = parse(file.read_text()) if file.exists() else {}
    if point in armed:
        # Removed first: whoever waits for the fault knows by it that it happens now.
        file.unlink()
        os.kill(os.getpid(), armed[point][0])


reach = Faults(os.environ).reach
