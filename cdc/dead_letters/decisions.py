"""Replays or discards dead letters; only the first decision about a dead letter counts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import Error, transaction
from django.utils import timezone

from cdc.capture.resend import send_state
from cdc.context import current_actor
from cdc.errors import Refused, Rejected
from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operator_log import log_action, people
from cdc.refusals import close_broken_connections, refusal_of
from cdc.registry import Capture, registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The row that a dead letter is about; the row may have been deleted."""

    capture: Capture
    key: Any
    """The primary key of the row, as a Python value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a decision about several dead letters."""

    resolved: Sequence[int]
    refused: Sequence[str]
    """One message for each dead letter that could not be replayed or discarded."""
    decided: Sequence[str] = ()
    """One message for each dead letter that had already been replayed or discarded."""

    @property
    def unchanged(self) -> tuple[str, ...]:
        """One message for each dead letter that was left unchanged."""
        return (*self.refused, *self.decided)


class AlreadyDecided(Refused):
    """Another decision about the dead letter was made first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about dead letters, and the reason for the decision."""

    what: str
    status: DeadLetterStatus
    why: str
    using: str


def row_of(letter: DeadLetter) -> Row:
    """Return the row that a dead letter is about. Raise Rejected if the row is unknown.

    Usually, the message names the row's table. If it names no table, the row belongs to the only
    captured table with the message's topic and key column.
    """
    name, value = _key_of(letter)
    captures = [
        capture
        for capture in registry
        if capture.topic == letter.topic and capture.key.name == name
    ]
    if letter.table:
        captures = [capture for capture in registry if capture.table == letter.table]
    if len(captures) != 1 or captures[0].key.name != name:
        raise Rejected(
            "The message does not name a captured table: the dead letter can only be discarded."
        )
    return Row(capture=captures[0], key=_python_key(captures[0], value))


def each_waiting(*, using: str) -> Iterator[DeadLetter]:
    """Yield the waiting dead letters one at a time, because each may contain a megabyte."""
    letters = DeadLetter.objects.using(using)
    waiting = letters.filter(status=DeadLetterStatus.WAITING)
    for number in list(waiting.values_list("pk", flat=True)):
        yield letters.get(pk=number)


def each_of(numbers: Iterable[int], *, using: str) -> Iterator[DeadLetter]:
    """Yield the dead letters with these ids one at a time, and skip ids that do not exist."""
    letters = DeadLetter.objects.using(using).defer("value")
    for number in numbers:
        yield from letters.filter(pk=number)


def replay(letters: Iterable[DeadLetter], why: str, *, using: str) -> Outcome:
    """Send the current state of the rows of these dead letters through the outbox.

    The message itself is never resent: the message could not be applied, and Kafka may have
    removed it. If the row no longer exists, a delete is sent. After a crash, a row may be sent
    twice, which is harmless.
    """

    def send(letter: DeadLetter) -> None:
        row = row_of(letter)
        send_state(row.capture, [row.key], using=using)

    return _each(letters, send, Decision("replay", DeadLetterStatus.REPLAYED, why, using))


def discard(letters: Iterable[DeadLetter], why: str, *, using: str) -> Outcome:
    """Mark dead letters as discarded; nothing is sent, and the dead letters stay in the table."""
    decision = Decision("discard", DeadLetterStatus.DISCARDED, why, using)
    return _each(letters, lambda _letter: None, decision)


def _each(
    letters: Iterable[DeadLetter], act: Callable[[DeadLetter], None], decision: Decision
) -> Outcome:
    resolved: list[int] = []
    decided: list[str] = []
    refused: list[str] = []
    for letter in letters:
        unchanged = f"Dead letter {letter.pk} was not {decision.status}."
        try:
            _require_waiting(letter)
            act(letter)
            _resolve(letter, decision)
        except AlreadyDecided as error:
            decided.append(f"{unchanged} {error}")
        except (Refused, Rejected) as error:
            refused.append(f"{unchanged} {error}")
        except Error as error:
            close_broken_connections()
            refused.append(f"{unchanged} {refusal_of(error).sentence}")
        else:
            resolved.append(letter.pk)
    return Outcome(resolved=resolved, refused=refused, decided=decided)


def _key_of(letter: DeadLetter) -> tuple[str, Any]:
    try:
        key = orjson.loads(bytes(letter.key or b""))
    except orjson.JSONDecodeError:
        key = None
    if not isinstance(key, dict) or len(key) != 1:
        raise Rejected(
            "The key of the message does not identify a row: the dead letter can only be discarded."
        )
    return next(iter(key.items()))


def _python_key(capture: Capture, value: Any) -> Any:
    try:
        return capture.key_from_wire(value)
    except Rejected:
        raise Rejected(
            f"The key of the message is not valid for {capture.table}: the dead letter can only be "
            "discarded."
        ) from None


def _require_waiting(letter: DeadLetter) -> None:
    if letter.status != DeadLetterStatus.WAITING:
        actor = letter.resolved_by
        who = people({actor}).get(actor, actor)
        raise AlreadyDecided(f"The dead letter was already {letter.status} by {who}.")


def _resolve(letter: DeadLetter, decision: Decision) -> None:
    """Record the decision. Raise AlreadyDecided if another decision was recorded first."""
    letters = DeadLetter.objects.using(decision.using)
    waiting = letters.filter(pk=letter.pk, status=DeadLetterStatus.WAITING)
    with transaction.atomic(using=decision.using):
        if not waiting.update(
            status=decision.status,
            resolved_at=timezone.now(),
            resolved_by=current_actor(),
            why=decision.why,
        ):
            raise AlreadyDecided("Another decision was recorded in the meantime.")
        target = f"dead letter {letter.pk}: {letter}"
        log_action(decision.what, target, decision.why, using=decision.using)
