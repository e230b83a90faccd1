"""Replays and discards dead letters, each once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone

from cdc.capture.resend import send_state
from cdc.context import current_actor
from cdc.errors import Refused, Rejected
from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operator_log import log_action, people
from cdc.registry import Capture, registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The row that a dead letter is about; it may have been deleted."""

    capture: Capture
    key: Any
    """The Python value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a decision about several letters."""

    resolved: Sequence[int]
    refused: Sequence[str]
    """One sentence for each letter that was left unchanged."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about letters, and the reason for it."""

    what: str
    status: DeadLetterStatus
    why: str
    using: str


def row_of(letter: DeadLetter) -> Row:
    """Return the row that a letter is about; raise Rejected if it cannot be identified.

    The row's table is the one that the message names, or else the only captured table of its topic
    with that key column.
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
        raise Rejected("It names no captured table, so its row is unknown.")
    return Row(capture=captures[0], key=_python_key(captures[0], value))


def each_waiting(*, using: str) -> Iterator[DeadLetter]:
    """Yield the letters that are waiting now, one at a time: each may hold a megabyte."""
    letters = DeadLetter.objects.using(using)
    waiting = letters.filter(status=DeadLetterStatus.WAITING)
    for number in list(waiting.values_list("pk", flat=True)):
        yield letters.get(pk=number)


def replay(letters: Iterable[DeadLetter], why: str, *, using: str) -> Outcome:
    """Send the current state of the rows that the letters are about, through the outbox.

    The message itself is never sent again: it could not be applied, and Kafka may have dropped it.
    If the row is gone, a delete is sent. A crash may send a row twice, which is harmless.
    """

    def send(letter: DeadLetter) -> None:
        row = row_of(letter)
        send_state(row.capture, [row.key], using=using)

    return _each(letters, send, Decision("replay", DeadLetterStatus.REPLAYED, why, using))


def discard(letters: Iterable[DeadLetter], why: str, *, using: str) -> Outcome:
    """Mark letters as discarded; nothing is sent, and they stay in the table."""
    decision = Decision("discard", DeadLetterStatus.DISCARDED, why, using)
    return _each(letters, lambda _letter: None, decision)


def _each(
    letters: Iterable[DeadLetter], act: Callable[[DeadLetter], None], decision: Decision
) -> Outcome:
    resolved: list[int] = []
    refused: list[str] = []
    for letter in letters:
        try:
            _require_waiting(letter)
            act(letter)
            _resolve(letter, decision)
        except (Refused, Rejected) as error:
            refused.append(f"Dead letter {letter.pk} was not {decision.status}. {error}")
        else:
            resolved.append(letter.pk)
    return Outcome(resolved=resolved, refused=refused)


def _key_of(letter: DeadLetter) -> tuple[str, Any]:
    try:
        key = orjson.loads(bytes(letter.key or b""))
    except orjson.JSONDecodeError:
        key = None
    if not isinstance(key, dict) or len(key) != 1:
        raise Rejected("Its key does not identify a row: it can only be discarded.")
    return next(iter(key.items()))


def _python_key(capture: Capture, value: Any) -> Any:
    try:
        return capture.key_from_wire(value)
    except Rejected:
        raise Rejected(
            f"Its key is not valid for {capture.table}: it can only be discarded."
        ) from None


def _require_waiting(letter: DeadLetter) -> None:
    if letter.status != DeadLetterStatus.WAITING:
        actor = letter.resolved_by
        who = people({actor}).get(actor, actor)
        raise Refused(f"It was already {letter.status} by {who}.")


def _resolve(letter: DeadLetter, decision: Decision) -> None:
    """Record the decision; raise Refused if another decision came first."""
    letters = DeadLetter.objects.using(decision.using)
    waiting = letters.filter(pk=letter.pk, status=DeadLetterStatus.WAITING)
    with transaction.atomic(using=decision.using):
        if not waiting.update(
            status=decision.status,
            resolved_at=timezone.now(),
            resolved_by=current_actor(),
            why=decision.why,
        ):
            raise Refused("Somebody else has decided about it meanwhile.")
        target = f"dead letter {letter.pk}: {letter}"
        log_action(decision.what, target, decision.why, using=decision.using)
