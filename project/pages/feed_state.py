"""What the pages say of the feed and of the copy, read once for all who look."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from cdc.api import registry
from cdc.conf import cdc_settings
from cdc.operations import Figures, Statistics, Status, StatusReader, connect
from project.pages.latest import Latest, Reading
from stories.models import Story

TREND_DAYS = 30
PULSE_BINS, PULSE_SECONDS = 60, 2
_FIGURES_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """The state of the feed with one sentence for people."""

    reading: Reading[Status]
    sentence: str
    healthy: bool


class FeedWatch:
    """Reads the feed's status; remembers since when something has been wrong."""

    def __init__(self) -> None:
        self.latest: Latest[Status] = Latest(self._read)
        self._wrong_since: float | None = None

    def state(self) -> FeedState:
        """Return the state now, within two seconds whatever is away."""
        reading = self.latest.get()
        status = reading.value
        problem = reading.problem or (status.problems[0] if status and status.problems else "")
        healthy = not problem and status is not None and status.healthy
        # What was counted before is no count of now.
        known = "" if status is None or reading.problem else status.known_waiting
        if not problem:
            self._wrong_since = None
            sentence = status.verdict if status else "Nothing is known yet."
        else:
            sentence = self._wrong(known, problem)
        return FeedState(reading=reading, sentence=sentence, healthy=healthy)

    def _wrong(self, waiting: str, problem: str) -> str:
        now = time.monotonic()
        self._wrong_since = self._wrong_since or now
        kept = f"{waiting}, nothing is lost" if waiting else "nothing that was saved is lost"
        seconds = round(now - self._wrong_since)
        silent = f"has not answered for {seconds} s" if seconds else "does not answer"
        return f"Something {silent}: {kept}. {problem}"

    def _read(self) -> Status:
        return self._reader.read()

    @cached_property
    def _reader(self) -> StatusReader:
        # Made when first asked for: a web process that nobody asks has no clients.
        return StatusReader(cdc_settings(), registry)


class CopyWatch:
    """Reads the figures of the stories' first replica collection."""

    def __init__(self) -> None:
        self.latest: Latest[Figures] = Latest(self._read, fresh=_FIGURES_SECONDS)

    def figures(self) -> Reading[Figures]:
        """Return the figures, within two seconds whatever is away."""
        return self.latest.get()

    def _read(self) -> Figures:
        return self._statistics.figures(
            cdc_settings().collections[0],
            table=Story._meta.db_table,
            sums=("diggs", "comments"),
            group="status",
            day="submit_date",
            days=TREND_DAYS,
        )

    @cached_property
    def _statistics(self) -> Statistics:
        return Statistics(connect(cdc_settings()), cdc_settings())


class PulseWatch:
    """Reads how many changes a second the copy was given."""

    def __init__(self) -> None:
        self.latest: Latest[list[float]] = Latest(self._read, fresh=PULSE_SECONDS)

    def _read(self) -> list[float]:
        return self._statistics.rates(datetime.now(UTC), bins=PULSE_BINS, seconds=PULSE_SECONDS)

    @cached_property
    def _statistics(self) -> Statistics:
        return Statistics(connect(cdc_settings()), cdc_settings())


feed = FeedWatch()
copy = CopyWatch()
pulse = PulseWatch()
