"""What a person decides about a dead letter: replay it or discard it, once."""

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
from cdc.operator_log import people, write_down
from cdc.registry import Capture, registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The row that a dead letter is about, which may be gone."""

    capture: Capture
    key: Any
    """As Django holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done with the letters that were named."""

    resolved: Sequence[int]
    refused: Sequence[str]
    """One sentence for each letter that still is as it was."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided about letters, and why."""

    what: str
    status: DeadLetterStatus
    why: str
    using: str


def row_of(letter: DeadLetter) -> Row:
    """Return the row that a letter is about; raises Rejected when it tells none.

    The key says which row; the table is the one that the message names, else the only captured
    table of its topic with such a key.
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
        raise Rejected("It names no captured table: it cannot be tied to a row.")
    return Row(capture=captures[0], key=_python_key(captures[0], value))


def each_waiting(*, using: str) -> Iterator[DeadLetter]:
    """Yield the letters that wait now, one at a time: each may hold a megabyte."""
    letters = DeadLetter.objects.using(using)
    waiting = letters.filter(status=DeadLetterStatus.WAITING)
    for number in list(waiting.values_list("pk", flat=True)):
        yield letters.get(pk=number)


def replay(letters: Iterable[DeadLetter], why: str, *, using: str) -> Outcome:
    """Send the rows that the letters are about once more, as the database holds them now.

    The message itself is never sent again: it could not be applied, and Kafka may have dropped
    it. What the copy lacks is the row's state, or that the row is gone, and that goes through the
    outbox like any change. A crash in between sends a row twice, which does no harm.
    """

    def send(letter: DeadLetter) -> None:
        row = row_of(letter)
        send_state(row.capture, [row.key], using=using)

    return _each(letters, send, Decision("replay", DeadLetterStatus.REPLAYED, why, using))


def discard(letters: Iterable[DeadLetter], why: str, *, using: str) -> Outcome:
    """Put letters aside: nothing is sent, and they stay to be looked at."""
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
        raise Rejected("Its key names no row: it can only be discarded.")
    return next(iter(key.items()))


def _python_key(capture: Capture, value: Any) -> Any:
    try:
        return capture.key_from_wire(value)
    except Rejected:
        raise Rejected(
            f"Its key is none that {capture.table} can hold: it can only be discarded."
        ) from None


def _require_waiting(letter: DeadLetter) -> None:
    if letter.status != DeadLetterStatus.WAITING:
        actor = letter.resolved_by
        who = people({actor}).get(actor, actor)
        raise Refused(f"It was {letter.status} by {who} already.")


def _resolve(letter: DeadLetter, decision: Decision) -> None:
    """Write the decision down, unless somebody else decided meanwhile."""
    letters = DeadLetter.objects.using(decision.using)
    waiting = letters.filter(pk=letter.pk, status=DeadLetterStatus.WAITING)
    with transaction.atomic(using=decision.using):
        if not waiting.update(
            status=decision.status,
            resolved_at=timezone.now(),
            resolved_by=current_actor(),
            why=decision.why,
        ):
            raise Refused("Somebody else decided about it meanwhile.")
        target = f"dead letter {letter.pk}: {letter}"
        write_down(decision.what, target, decision.why, using=decision.using)
