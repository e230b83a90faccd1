"""Renders the stages of the pipeline, in the order in which a change passes them."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from django.db import Error, connection

from cdc.operations import Part, Status
from project.pages.feed_state import FRESH_SECONDS


class Health(StrEnum):
    """The state of a stage; the values are CSS class names."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    IDLE = "idle"
    """No process is running, and no change needs one."""
    UNKNOWN = "unknown"


_LABELS = {
    Health.GOOD: "Healthy",
    Health.BUSY: "Catching up",
    Health.BAD: "Needs attention",
    Health.IDLE: "Not running",
    Health.UNKNOWN: "Unknown",
}


_TONES = {
    Health.GOOD: "good",
    Health.BUSY: "info",
    Health.BAD: "bad",
    Health.IDLE: "neutral",
    Health.UNKNOWN: "neutral",
}
_PURPOSES = {
    "Outbox": "Holds changes until Kafka has them.",
    "Relay": "Publishes the changes to Kafka.",
    "Topic": "Keeps the changes of each row in order.",
    "Consumers": "Apply the changes to MongoDB.",
    "Collections": "The copies of all rows, written together.",
}
_PRODUCTS = {"Topic": "Kafka", "Collections": "MongoDB"}
_USUAL_DATABASE, _USUAL_PRODUCT = "MySQL", "Django"
_PAUSED, _WAITING = "Paused", "Waiting"
_USUAL_SECONDS = 2.0
"""Under steady traffic, some changes are always in transit. Changes that are at most this old are
healthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the pipeline, as text."""

    name: str
    health: Health
    value: str = "?"
    unit: str = ""
    note: str = ""
    detail: str = ""
    """More about the value, such as the name of the process."""
    word: str = ""
    """The health in words, if the usual words do not fit."""

    @property
    def label(self) -> str:
        """The health in words, because colour alone is not accessible."""
        usual = self.health is Health.UNKNOWN or not self.word
        return _LABELS[self.health] if usual else self.word

    @property
    def purpose(self) -> str:
        """What the stage is for."""
        return _PURPOSES.get(self.name, "")

    @property
    def product(self) -> str:
        """The product that runs or stores the stage."""
        if self.name == "Outbox":
            return database_name()
        return _PRODUCTS.get(self.name, _USUAL_PRODUCT)

    @property
    def tone(self) -> str:
        """The kind of the pill that shows the health."""
        return "warn" if self.label == _PAUSED else _TONES[self.health]


class StageRenderer:
    """Renders the stages. If a stage cannot be read, the last reading is shown with its age."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last: dict[str, tuple[Stage, float]] = {}

    def stages(self, status: Status | None, seconds: float) -> list[Stage]:
        """Return the stages for a status that was read `seconds` ago."""
        fresh = status is not None and seconds <= FRESH_SECONDS
        return [
            self._remembered(render(name, status) if status else _unknown(name), seconds, fresh)
            for name, render in _STAGES.items()
        ]

    def _remembered(self, stage: Stage, seconds: float, fresh: bool) -> Stage:
        if stage.health is not Health.UNKNOWN:
            self._last[stage.name] = (stage, self._now() - seconds)
            if fresh:
                return stage
        last, read_at = self._last.get(stage.name, (None, 0.0))
        if last is None:
            return replace(stage, health=Health.UNKNOWN, note="not read yet")
        age = f"last read {self._now() - read_at:.0f} s ago"
        return replace(last, health=Health.UNKNOWN, note=age)


def _unknown(name: str) -> Stage:
    return Stage(name=name, health=Health.UNKNOWN)


def _outbox(name: str, status: Status) -> Stage:
    if status.outbox is None:
        return _unknown(name)
    rows, oldest = status.outbox.rows, status.outbox_seconds
    other = "changes wait in another database" if status.other_outboxes else ""
    return Stage(
        name=name,
        health=_queue_health(status, Part.OUTBOX, rows, oldest),
        value=f"{rows:,}",
        unit=_noun(rows, "change queued", "changes queued"),
        note=f"the oldest change is {oldest:.1f} s old" if rows else other,
    )


def _relay(name: str, status: Status) -> Stage:
    if status.relay is None:
        return _unknown(name)
    return Stage(
        name=name,
        health=_process_health(status, Part.RELAY, running=bool(status.relay)),
        value=str(int(bool(status.relay))),
        unit="active",
        note="" if status.relay else "no relay is running",
        detail=status.relay,
    )


def _topic(name: str, status: Status) -> Stage:
    records, note = status.in_kafka, "counted from the offsets committed in Kafka"
    health = Health.BUSY
    if status.lags is not None:
        records = sum(lag.records for lag in status.lags)
        health = _queue_health(status, Part.TOPIC, records, _kafka_seconds(status))
        age = f", the oldest record is {status.kafka_seconds:.1f} s old" if records else ""
        partitions = _noun(len(status.lags), "1 partition", f"{len(status.lags)} partitions")
        note = f"in {partitions}{age}"
    if records is None:
        return _unknown(name)
    word = ""
    if status.paused and records and health is not Health.BAD:
        # The consumers are paused, so the topic itself needs no attention.
        health, word = Health.BUSY, _WAITING
    value, unit = f"{records:,}", _noun(records, "record queued", "records queued")
    if status.missing_topics:
        value, unit, note = "?", "records queued", f"missing: {', '.join(status.missing_topics)}"
    return Stage(name=name, health=health, value=value, unit=unit, note=note, word=word)


def _consumers(name: str, status: Status) -> Stage:
    if status.consumers is None:
        return _unknown(name)
    count = status.consumers
    note = "" if count else "no consumer is running"
    return Stage(
        name=name,
        health=_process_health(status, Part.CONSUMERS, running=bool(count)),
        value=f"{count:,}",
        unit="running",
        note=f"paused by {status.paused.who}" if status.paused else note,
        word=_PAUSED if status.paused else "",
    )


def _collections(name: str, status: Status) -> Stage:
    if status.tables is None or any(table.uncounted for table in status.tables):
        return _unknown(name)
    rows = sum(table.rows for table in status.tables)
    counts = {count for table in status.tables for count in table.documents.values()}
    collections = sum(len(table.documents) for table in status.tables)
    health = Health.GOOD if status.equal or _is_usual(status) else Health.BUSY
    health = Health.BAD if _is_found(status, Part.COLLECTIONS) else health
    return Stage(
        name=name,
        health=health,
        word=_WAITING if status.paused and health is Health.BUSY else "",
        value=" / ".join(f"{count:,}" for count in sorted(counts)) or "0",
        unit=f"in {_noun(collections, '1 collection', f'each of {collections} collections')}",
        note=f"for {_noun(rows, '1 row', f'{rows:,} rows')}",
    )


def _canary(name: str, status: Status) -> Stage:
    canary = status.canary
    if canary is None or canary.stopped:
        return _unknown(name)
    if canary.awaited or canary.seconds is None or canary.arrived_seconds_ago is None:
        health = Health.BAD if canary.late else Health.BUSY
        return Stage(name=name, health=health, note="sent, not yet arrived")
    return Stage(
        name=name,
        health=Health.GOOD,
        value=f"{1000 * canary.seconds:,.0f}",
        unit="ms end to end",
        note=f"arrived {canary.arrived_seconds_ago:.0f} s ago",
    )


_STAGES: Mapping[str, Callable[[str, Status], Stage]] = {
    "Outbox": _outbox,
    "Relay": _relay,
    "Topic": _topic,
    "Consumers": _consumers,
    "Collections": _collections,
    "Canary": _canary,
}


def database_name() -> str:
    """Return the name of the database. Only a connection shows whether MySQL is MariaDB."""
    with suppress(Error):
        return _display_name()
    return _USUAL_DATABASE


@cache
def _display_name() -> str:
    return connection.display_name


def _is_found(status: Status, part: Part) -> bool:
    """Whether a finding names this part; a stage must not contradict the verdict."""
    return any(part in finding.parts for finding in status.findings)


def _process_health(status: Status, part: Part, *, running: bool) -> Health:
    if _is_found(status, part):
        return Health.BAD
    return Health.GOOD if running else Health.IDLE


def _queue_health(status: Status, part: Part, waiting: int, seconds: float | None) -> Health:
    """Return the health of a queue; `seconds` is the age of its oldest change, if it is known."""
    if _is_found(status, part):
        return Health.BAD
    if not waiting:
        return Health.GOOD
    return Health.GOOD if seconds is not None and seconds <= _USUAL_SECONDS else Health.BUSY


def _kafka_seconds(status: Status) -> float | None:
    """Return the age of the oldest record that is not applied; None if it could not be read."""
    if status.lags is None or any(lag.seconds is None for lag in status.lags):
        return None
    return status.kafka_seconds


def _is_usual(status: Status) -> bool:
    """Return whether changes that were saved just now explain the difference between the counts."""
    ages = (status.outbox_seconds if status.outbox else None, _kafka_seconds(status))
    young = all(age is not None and age <= _USUAL_SECONDS for age in ages)
    return young and status.missing is None and not status.paused


def _noun(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
