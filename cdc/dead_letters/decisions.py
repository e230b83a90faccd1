"""Replays or discards dead letters; only the first decision about a dead letter counts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from django.db import Error, transaction
from django.utils import timezone

from cdc.capture.resend import send_state
from cdc.context import current_actor
from cdc.dead_letters.leftovers import Leftovers
from cdc.dead_letters.rows import row_of
from cdc.errors import Refused, Rejected
from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operator_log import log_action, people
from cdc.refusals import close_broken_connections, refusal_of

_CHUNK = 500
"""The number of discarded dead letters whose rows are compared at once."""


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

    def __bool__(self) -> bool:
        return bool(self.resolved or self.unchanged)

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            resolved=[*self.resolved, *other.resolved],
            refused=[*self.refused, *other.refused],
            decided=[*self.decided, *other.decided],
        )


class AlreadyDecided(Refused):
    """Another decision about the dead letter was made first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about dead letters, and the reason for the decision."""

    what: str
    status: DeadLetterStatus
    why: str
    using: str


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
    """Mark dead letters as discarded; nothing is sent, and the dead letters stay in the table.

    Dead letters whose rows may differ from their documents are marked. The status counts them until
    a reconciliation that began after the discard leaves no difference.
    """
    decision = Decision("discard", DeadLetterStatus.DISCARDED, why, using)
    leftovers, rest = Leftovers(using), iter(letters)
    outcome = Outcome(resolved=[], refused=[])
    while chunk := _each(islice(rest, _CHUNK), leftovers.mark, decision):
        leftovers.compare(chunk.resolved)
        outcome += chunk
    return outcome


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
            may_differ=letter.may_differ,
        ):
            raise AlreadyDecided("Another decision was recorded in the meantime.")
        target = f"dead letter {letter.pk}: {letter}"
        log_action(decision.what, target, decision.why, using=decision.using)
