"""The state of the pipeline and of the replica, read once for all visitors of the pages."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from cdc.api import registry
from cdc.conf import cdc_settings
from cdc.operations import (
    Audience,
    Check,
    Delays,
    State,
    Status,
    StatusReader,
    Throughput,
    count_changes,
    deployment_problems,
    outage_verdict,
    read_change_rates,
    read_delays,
    read_throughput,
)
from project.pages.latest import Latest, Reading
from project.pages.outage_clock import UNSEEN_SECONDS, OutageClock

RATE_BINS, RATE_SECONDS = 60, 60
FRESH_SECONDS = 5.0
"""A status is not shown as current if it was completely read more than this many seconds ago.

The read may have taken longer: counting the rows of a large table takes several seconds."""
_EXAMINATION_SECONDS, _EXAMINATION_TOLERANCE = 300.0, 60.0
_ACTIVITY_SECONDS = 30.0
_RATES_FRESH_SECONDS, _RATES_TOLERANCE = 30.0, 120.0
_THROUGHPUT_FRESH_SECONDS = 20.0
_ACTIVITY_PATIENCE = 0.2
_NOT_READ = "The status has not been read yet."


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """The last status that was read, and the current problems."""

    reading: Reading[Status]
    verdict: str
    problems: tuple[str, ...]
    state: State | None
    """None if the status has not been read yet."""
    since: datetime | None = None
    """When the state began; None if this is not known."""

    @property
    def healthy(self) -> bool:
        return self.state is State.HEALTHY

    def visible_to(self, audience: Audience) -> "FeedState":
        """Return the state as an audience may see it: the text of an error may quote people."""
        if audience.sees_people:
            return self
        status = self.reading.value
        if status is None:
            return replace(self, problems=())
        troubles = status.troubles and tuple(
            replace(each, error=audience.text(each.error)) for each in status.troubles
        )
        status = replace(status, troubles=troubles)
        verdict = self.verdict if self.problems else status.verdict
        reading = replace(self.reading, value=status)
        return replace(self, reading=reading, verdict=verdict, problems=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What the front page says about the pipeline."""

    changes: int
    """The number of changes since midnight in UTC that have reached the replica."""
    delays: Delays


class FeedWatch:
    """Reads the status of the pipeline and times an outage."""

    def __init__(self) -> None:
        self.latest: Latest[Status] = Latest(self._read, tolerance=FRESH_SECONDS)
        self._outage = OutageClock()

    def state(self) -> FeedState:
        """Return the current state, within two seconds even during an outage."""
        reading = self.latest.get()
        if reading.is_first:
            return FeedState(reading=reading, verdict=_NOT_READ, problems=(), state=None)
        status = reading.value
        problems = (*filter(None, [reading.problem]), *(status.problems if status else ()))
        state, since = (status.state, status.since) if status else (None, None)
        if problems:
            state, since, verdict = State.UNREACHABLE, None, self._outage_verdict(reading)
        else:
            self._outage.stop()
            verdict = status.verdict if status else _NOT_READ
        return FeedState(
            reading=reading, verdict=verdict, problems=problems, state=state, since=since
        )

    def _outage_verdict(self, reading: Reading[Status]) -> str:
        status = reading.value
        if status and not reading.problem:
            return status.verdict_after(self._outage.seen(status.unreachable))
        # A recent status still names the services, but its counts are out of date.
        recent = status if reading.seconds <= UNSEEN_SECONDS else None
        services = recent.unreachable if recent else ()
        return outage_verdict(services, "", self._outage.seen(services))

    def _read(self) -> Status:
        status = self._reader.read()
        if not status.problems:
            self._outage.stop()  # Perhaps no visitor waits for this reading any more.
        return status

    @cached_property
    def _reader(self) -> StatusReader:
        # The reader is created on first use, because a process that never shows the status needs
        # no clients.
        return StatusReader(cdc_settings(), registry)


def _read_rates() -> list[float]:
    return read_change_rates(datetime.now(UTC), bins=RATE_BINS, seconds=RATE_SECONDS)


def _read_throughput() -> Throughput:
    return read_throughput(datetime.now(UTC), bins=RATE_BINS, seconds=RATE_SECONDS)


def _read_activity() -> Activity:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Activity(changes=count_changes(midnight), delays=read_delays())


feed = FeedWatch()
deployment: Latest[list[Check]] = Latest(
    deployment_problems,
    fresh=_EXAMINATION_SECONDS,
    patience=0.0,
    tolerance=_EXAMINATION_SECONDS + _EXAMINATION_TOLERANCE,
)
"""What `manage.py doctor` finds; not known until the first examination has ended."""
rates: Latest[list[float]] = Latest(
    _read_rates,
    fresh=_RATES_FRESH_SECONDS,
    patience=_ACTIVITY_PATIENCE,
    tolerance=_RATES_TOLERANCE,
)
"""The rate of changes that reached the replica, per second, for each minute of the last hour."""
throughput: Latest[Throughput] = Latest(
    _read_throughput,
    fresh=_THROUGHPUT_FRESH_SECONDS,
    patience=_ACTIVITY_PATIENCE,
    tolerance=_RATES_TOLERANCE,
)
"""What passed each stage of the pipeline in each minute of the last hour."""
activity: Latest[Activity] = Latest(
    _read_activity, fresh=_ACTIVITY_SECONDS, patience=_ACTIVITY_PATIENCE
)
"""The number of today's changes, and the delays of the last few minutes.

Anonymous visitors also see these figures, so the figures are read at most every 30 s.
"""
