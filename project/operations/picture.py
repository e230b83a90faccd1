"""The feed as a picture: its parts in the order in which a change passes them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from cdc.operations import PATIENCE_SECONDS, Status

FRESH_SECONDS = 5.0
"""What is older than this says nothing of now."""


class State(StrEnum):
    """How a part stands."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    UNKNOWN = "unknown"


_WORDS = {
    State.GOOD: "works",
    State.BUSY: "is busy",
    State.BAD: "needs somebody",
    State.UNKNOWN: "not known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the picture."""

    name: str
    state: State
    figure: str = "?"
    unit: str = ""
    note: str = ""

    @property
    def word(self) -> str:
        """Return the state as words: colour alone says nothing to some people."""
        return _WORDS[self.state]


class Picture:
    """Draws the parts; remembers what each said last, for when it says nothing."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said: dict[str, tuple[Part, float]] = {}

    def parts(self, status: Status | None, seconds: float) -> list[Part]:
        """Return the parts by a status that was read `seconds` ago; what is old is not good."""
        fresh = status is not None and seconds <= FRESH_SECONDS
        found = [part(status) for part in _PARTS] if status else [_unknown(n) for n in _NAMES]
        return [self._remembered(part, seconds, fresh=fresh) for part in found]

    def _remembered(self, part: Part, seconds: float, *, fresh: bool) -> Part:
        if part.state is not State.UNKNOWN:
            self._said[part.name] = (part, self._now() - seconds)
            if fresh:
                return part
        last, at = self._said.get(part.name, (None, 0.0))
        if last is None:
            return replace(part, state=State.UNKNOWN, note="it has not been heard yet")
        age = f"last heard {self._now() - at:.0f} s ago"
        return replace(last, state=State.UNKNOWN, note=age)


def _unknown(name: str) -> Part:
    return Part(name=name, state=State.UNKNOWN)


def _outbox(status: Status) -> Part:
    if status.outbox is None:
        return _unknown("Outbox")
    rows, oldest = status.outbox.rows, status.outbox_seconds
    return Part(
        name="Outbox",
        state=_by_age(rows, oldest),
        figure=f"{rows:,}",
        unit=_noun(rows, "change waits", "changes wait"),
        note=f"the oldest for {oldest:.1f} s" if rows else "nothing waits",
    )


def _relay(status: Status) -> Part:
    if status.relay is None:
        return _unknown("Relay")
    waits = bool(status.outbox and status.outbox.rows)
    if not status.relay:
        state = State.BAD if waits else State.UNKNOWN
        return Part(name="Relay", state=state, figure="0", unit="publish", note="none is running")
    return Part(name="Relay", state=State.GOOD, figure="1", unit="publishes", note=status.relay)


def _topic(status: Status) -> Part:
    if status.lags is None:
        return _topic_by_kafka(status.in_kafka)
    records = sum(lag.records for lag in status.lags)
    oldest = max((lag.seconds for lag in status.lags), default=0.0)
    note = f"in {len(status.lags)} partitions"
    return Part(
        name="Topic",
        state=_by_age(records, oldest),
        figure=f"{records:,}",
        unit=_noun(records, "record waits", "records wait"),
        note=f"{note}, the oldest for {oldest:.1f} s" if records else note,
    )


def _topic_by_kafka(records: int | None) -> Part:
    """Return what Kafka itself knows, when the positions in MongoDB cannot be read."""
    if records is None:
        return _unknown("Topic")
    return Part(
        name="Topic",
        state=State.BUSY,
        figure=f"{records:,}",
        unit=_noun(records, "record waits", "records wait"),
        note="as far as Kafka knows the group",
    )


def _consumers(status: Status) -> Part:
    if status.consumers is None:
        return _unknown("Consumers")
    count = status.consumers
    state = State.GOOD if count and not status.paused else State.BAD
    note = f"paused by {status.paused.who}" if status.paused else ""
    return Part(
        name="Consumers",
        state=state,
        figure=f"{count:,}",
        unit=_noun(count, "process", "processes"),
        note=note or ("none is running" if not count else "in the group"),
    )


def _collections(status: Status) -> Part:
    if status.tables is None:
        return _unknown("Collections")
    rows = sum(table.rows for table in status.tables)
    counts = {count for table in status.tables for count in table.documents.values()}
    equal = all(table.equal for table in status.tables)
    state = State.GOOD if equal else State.BUSY if status.waiting else State.BAD
    number = sum(len(table.documents) for table in status.tables)
    return Part(
        name="Collections",
        state=state,
        figure=" / ".join(f"{count:,}" for count in sorted(counts)) or "0",
        unit="documents",
        note=f"in each of {number}, of {rows:,} rows",
    )


def _canary(status: Status) -> Part:
    canary = status.canary
    if canary is None or canary.silent:
        return _unknown("Canary")
    if canary.late or canary.seconds is None or canary.arrived_seconds_ago is None:
        note = "it is sent and does not come back"
        return Part(name="Canary", state=State.BAD if canary.late else State.BUSY, note=note)
    return Part(
        name="Canary",
        state=State.GOOD,
        figure=f"{1000 * canary.seconds:,.0f}",
        unit="ms through all of it",
        note=f"{canary.arrived_seconds_ago:.0f} s ago",
    )


_NAMES = ("Outbox", "Relay", "Topic", "Consumers", "Collections", "Canary")
_PARTS: tuple[Callable[[Status], Part], ...] = (
    *(_outbox, _relay, _topic, _consumers, _collections, _canary),
)


def _by_age(waiting: int, seconds: float) -> State:
    if not waiting:
        return State.GOOD
    return State.BAD if seconds > PATIENCE_SECONDS else State.BUSY


def _noun(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
