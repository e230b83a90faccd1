"""Caches reports, so that the stories of a period are counted once for all readers."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from project.dashboard.periods import Choice
from project.dashboard.report import Report, read_report
from project.pages.latest import Latest, Reading

FRESH_SECONDS = 15.0
_TOLERANCE_SECONDS = 60.0
"""While MongoDB is slow, a report that is older than this is shown as out of date."""
_FIRST_SECONDS = 3.0
_NEXT_SECONDS = 0.1
_MOST = 16
AT_ONCE = 4
"""The maximum number of reports that are counted at once. Each needs a database connection."""


class Reports:
    """Reads reports with `read`, each at most once every 15 s. The last 16 choices are kept.

    At most four reports are read at once. While a new report is counted, readers get the previous
    one, if there is one.
    """

    def __init__(self, read: Callable[[Choice], Report | None] = read_report) -> None:
        self.read = read
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._latest: OrderedDict[Choice, Latest[tuple[Report | None]]] = OrderedDict()

    def begin(self, choice: Choice) -> Callable[[], Reading[tuple[Report | None]]]:
        """Start to read a report. Return a function that waits for the report.

        If there is a previous report, the function waits for at most 0.1 s, otherwise about 3 s.

        The report is in a tuple, because the report itself is None if there are no stories.
        """
        wait = self._of(choice).begin()

        def reading() -> Reading[tuple[Report | None]]:
            found = wait(_NEXT_SECONDS)
            return wait(_FIRST_SECONDS) if found.value is None else found

        return reading

    def _of(self, choice: Choice) -> Latest[tuple[Report | None]]:
        with self._lock:
            latest = self._latest.pop(choice, None) or self._new(choice)
            self._latest[choice] = latest
            while len(self._latest) > _MOST:
                self._latest.popitem(last=False)
            return latest

    def _new(self, choice: Choice) -> Latest[tuple[Report | None]]:
        return Latest(
            lambda: (self.read(choice),),
            fresh=FRESH_SECONDS,
            patience=_FIRST_SECONDS,
            tolerance=_TOLERANCE_SECONDS,
            turn=self._turns,
        )


reports = Reports()
