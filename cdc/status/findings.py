"""What is wrong with the pipeline: one finding for each cause, the most important first.

The pipeline is healthy if nothing is found: every service responds, the consumers are not paused,
no change waits too long, no process keeps failing, no topic is missing or recreated, no gap and no
dead letter is open, the repair after a new epoch is done, the documents have the columns of their
model, the counts agree except for changes in transit, and the last reconciliation left no
difference.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.text import capfirst

from cdc.printable import counted
from cdc.status.facts import ChangedColumns, Paused, Trouble
from cdc.status.observed import PATIENCE_SECONDS, Observed
from cdc.status.outage import outage


class State(StrEnum):
    """The state of the pipeline; the values are used in JSON and in metrics."""

    HEALTHY = "healthy"
    UNREACHABLE = "unreachable"
    PAUSED = "paused"
    DELAYED = "delayed"
    FAILING = "failing"
    RECORDS_LOST = "records_lost"
    NOT_VERIFIED = "not_verified"
    DEAD_LETTERS = "dead_letters"
    OUT_OF_SYNC = "out_of_sync"

    @property
    def label(self) -> str:
        """The state in words, such as `Records lost`."""
        return self.value.replace("_", " ").capitalize()


class Part(StrEnum):
    """A part of the pipeline."""

    OUTBOX = "outbox"
    RELAY = "relay"
    TOPIC = "topic"
    CONSUMERS = "consumers"
    COLLECTIONS = "collections"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem of the pipeline."""

    state: State
    text: str
    """The cause and the remedy, in one or more sentences."""
    since: datetime | None = None
    """When the problem began; None if this is not known."""
    parts: tuple[Part, ...] = (Part.COLLECTIONS,)
    """The parts that are affected."""


Rule = Callable[[Observed], Iterator[Finding]]


def findings(seen: Observed) -> tuple[Finding, ...]:
    """Return everything that is wrong; a known cause comes before its consequences."""
    return tuple(finding for rule in _RULES for finding in rule(seen))


_START_CONSUMER = "start `manage.py consume_and_save_to_mongodb`"


def _unreachable(seen: Observed) -> Iterator[Finding]:
    if seen.problems:
        text = outage(seen.unreachable, seen.queued, none_lost=seen.none_lost)
        yield Finding(state=State.UNREACHABLE, text=text, parts=())


def _paused(seen: Observed) -> Iterator[Finding]:
    if seen.paused:
        yield Finding(
            state=State.PAUSED,
            text=_pause(seen.paused, seen.queued),
            since=seen.paused.at,
            parts=(Part.CONSUMERS,),
        )


def _pause(pause: Paused, queued: str) -> str:
    reason = f" ({pause.why})" if pause.why else ""
    return (
        f"Consumers paused by {pause.who} on {pause.at.day} {pause.at:%b %Y, %H:%M:%S} "
        f"UTC{reason}. {queued.capitalize() or 'An unknown number of changes queued'}: "
        "resume the consumers on the Pipeline page."
    )


def _outbox_delayed(seen: Observed) -> Iterator[Finding]:
    if not seen.outbox_late:
        return
    rows = seen.outbox.rows if seen.outbox else 0
    state = f"{counted(rows, 'change')} in the outbox, the oldest for {seen.outbox_seconds:.1f} s"
    if cause := _cause("relay", seen):
        text = f"{state}: {cause}"
    elif seen.relay == "":
        text = f"{state}, and no relay is running: start `manage.py relay_outbox`."
    else:
        text = f"{state}: check the log of {f'relay {seen.relay}' if seen.relay else 'the relay'}."
    since = seen.read_at - timedelta(seconds=seen.outbox_seconds)
    yield Finding(state=State.DELAYED, text=text, since=since, parts=(Part.OUTBOX, Part.RELAY))


def _other_outboxes(seen: Observed) -> Iterator[Finding]:
    for other in seen.other_outboxes:
        yield Finding(
            state=State.DELAYED,
            text=(
                f"{counted(other.rows, 'change')} in the outbox of the database "
                f"{other.database!r}, the oldest for {other.seconds:.1f} s. Relays of the default "
                "database do not read this outbox: start a relay with the DATABASE_URL of the "
                f"database {other.database!r}."
            ),
            since=seen.read_at - timedelta(seconds=other.seconds),
            parts=(Part.OUTBOX,),
        )


def _kafka_delayed(seen: Observed) -> Iterator[Finding]:
    if not seen.kafka_late or seen.paused:
        return
    records = sum(lag.records for lag in seen.lags or ())
    state = f"{counted(records, 'record')} in Kafka, the oldest for {seen.kafka_seconds:.1f} s"
    if cause := _cause("consumer", seen):
        text = f"{state}: {cause}"
    elif seen.consumers == 0:
        text = f"{state}, and no consumer is running: {_START_CONSUMER}."
    else:
        text = f"{state}: {_lagging(seen.consumers or 0)}"
    since = seen.read_at - timedelta(seconds=seen.kafka_seconds)
    yield Finding(state=State.DELAYED, text=text, since=since, parts=(Part.TOPIC, Part.CONSUMERS))


def _lagging(consumers: int) -> str:
    verb = "is" if consumers == 1 else "are"
    return (
        f"{counted(consumers, 'consumer')} {verb} lagging. "
        "Check the logs of the consumers, or start more, up to one for each partition."
    )


def _cause(kind: str, seen: Observed) -> str:
    """Return the error of a process of this kind; empty if none reports an error."""
    found = [each for each in seen.troubles or () if each.process.startswith(f"{kind} ")]
    return _failing_text(found[0], seen) if found else ""


def _failing(seen: Observed) -> Iterator[Finding]:
    """Yield the processes that keep failing, unless a delay or an outage explains the failure."""
    delayed = {"relay": seen.outbox_late, "consumer": seen.kafka_late and not seen.paused}
    for trouble in seen.troubles or ():
        kind = trouble.process.partition(" ")[0]
        lasts = (seen.read_at - trouble.since).total_seconds() > PATIENCE_SECONDS
        if lasts and not seen.problems and not delayed.get(kind):
            parts = {"relay": (Part.RELAY,), "consumer": (Part.CONSUMERS,)}.get(kind, ())
            text = capfirst(_failing_text(trouble, seen))
            yield Finding(state=State.FAILING, text=text, since=trouble.since, parts=parts)


def _failing_text(trouble: Trouble, seen: Observed) -> str:
    seconds = max((seen.read_at - trouble.since).total_seconds(), 0.0)
    return (
        f"{trouble.process} has been failing for {seconds:.0f} s "
        f"({counted(trouble.attempts, 'attempt')}): {trouble.error}"
    )


def _missing_topics(seen: Observed) -> Iterator[Finding]:
    for topic in seen.missing_topics:
        yield Finding(
            state=State.RECORDS_LOST,
            text=(
                f"The topic {topic} does not exist in Kafka: correct KAFKA_TOPIC or "
                "KAFKA_BOOTSTRAP_SERVERS. If the topic was deleted, start a relay, which creates "
                "it, then run `manage.py reconcile --repair`."
            ),
            parts=(Part.TOPIC,),
        )


def _abandoned_topics(seen: Observed) -> Iterator[Finding]:
    for topic in seen.abandoned_topics:
        yield Finding(
            state=State.RECORDS_LOST,
            text=(
                f"The topic {topic} contains records that were not applied, and no model uses this "
                "topic any more: set KAFKA_TOPIC to this topic again until the consumers have "
                "applied the records, or run `manage.py reconcile --repair` and delete the topic."
            ),
            parts=(Part.TOPIC, Part.COLLECTIONS),
        )


def _recreated(seen: Observed) -> Iterator[Finding]:
    """Yield the topics that were recreated, until their consumers store a gap."""
    remedy = _START_CONSUMER if seen.consumers == 0 else "check the logs of the consumers"
    for topic in sorted({lag.topic for lag in seen.lags or () if lag.recreated}):
        yield Finding(
            state=State.RECORDS_LOST,
            text=(
                f"The topic {topic} was deleted and created again, and the consumers have not "
                f"noticed the new topic yet: {remedy}, then run `manage.py reconcile --repair`."
            ),
            parts=(Part.TOPIC, Part.CONSUMERS),
        )


def _gap(seen: Observed) -> Iterator[Finding]:
    if seen.gap_places:
        text = (
            f"A gap in {seen.gap_places}: records were lost or skipped and may not have been "
            "applied. Run `manage.py reconcile --repair`."
        )
        since = min((gap.at for gap in seen.gaps or ()), default=None)
        parts = (Part.TOPIC, Part.COLLECTIONS)
        yield Finding(state=State.RECORDS_LOST, text=text, since=since, parts=parts)


def _unverified(seen: Observed) -> Iterator[Finding]:
    for text in filter(None, (seen.unverified, seen.discarded)):
        yield Finding(state=State.NOT_VERIFIED, text=text)


def _dead_letters(seen: Observed) -> Iterator[Finding]:
    if seen.dead_letters:
        verb = "needs" if seen.dead_letters == 1 else "need"
        letters = counted(seen.dead_letters, "dead letter")
        text = f"{letters} {verb} a decision: see `manage.py dead_letters list`."
        yield Finding(state=State.DEAD_LETTERS, text=text, since=seen.dead_letters_since)


def _columns(seen: Observed) -> Iterator[Finding]:
    for changed in seen.columns or ():
        state = State.OUT_OF_SYNC if changed.in_time else State.NOT_VERIFIED
        yield Finding(state=state, text=f"{state.label}: {_changed(changed)}")


def _changed(changed: ChangedColumns) -> str:
    names, verb = changed.lacking, "lack"
    if not names:
        names, verb = changed.left_over, "still have"
    verb = verb if changed.in_time else f"may {verb}"
    noun = "column" if len(names) == 1 else "columns"
    return (
        f"documents of {changed.table} {verb} the {noun} {', '.join(names)}. "
        "Run `manage.py reconcile --repair`."
    )


def _counts(seen: Observed) -> Iterator[Finding]:
    table = seen.missing
    if table:
        counts = " or ".join(f"{count:,}" for count in sorted(set(table.documents.values())))
        noun = "document" if counts == "1" else "documents"
        transit = f", with {counted(seen.waiting, 'change')} in transit" if seen.waiting else ""
        text = (
            f"Out of sync: {table.table} has {counted(table.rows, 'row')}, but its collections "
            f"have {counts} {noun}{transit}. Run `manage.py reconcile --repair`."
        )
        yield Finding(state=State.OUT_OF_SYNC, text=text)


def _uncounted(seen: Observed) -> Iterator[Finding]:
    for table in seen.tables or ():
        if table.uncounted:
            names = " and ".join(table.uncounted)
            text = (
                f"Not verified: the documents of {table.table} in {names} were not counted in "
                "time. `manage.py reconcile` compares them."
            )
            yield Finding(state=State.NOT_VERIFIED, text=text)


def _reconcile(seen: Observed) -> Iterator[Finding]:
    last = seen.reconcile
    if last is not None and not last.equal:
        text = f"Out of sync at the last reconciliation: {last.verdict}"
        yield Finding(state=State.OUT_OF_SYNC, text=text, since=last.finished_at)


_RULES: Sequence[Rule] = (
    *(_unreachable, _paused, _outbox_delayed, _other_outboxes, _kafka_delayed, _failing),
    *(_missing_topics, _abandoned_topics, _recreated, _gap, _unverified, _dead_letters),
    *(_columns, _counts, _uncounted, _reconcile),
)
"""In order of importance, the most important first."""
