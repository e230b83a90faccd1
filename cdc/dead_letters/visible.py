"""The parts of a dead letter that an audience may see: the same parts as in the live feed."""

from cdc.audience import Audience
from cdc.dead_letters.decisions import row_of
from cdc.errors import Rejected
from cdc.models import DeadLetter
from cdc.wire.event import decode


def visible_reason(letter: DeadLetter, audience: Audience) -> str:
    """Return the reason, which may quote a value of the message, or a sentence instead."""
    return audience.text(letter.reason)


def visible_key(letter: DeadLetter, audience: Audience) -> str:
    """Return the key. If the message is malformed, its key may contain anything."""
    return letter.key_text if audience.sees_people or is_event(letter) else ""


def is_event(letter: DeadLetter) -> bool:
    """Return whether the message is a well-formed event of a captured model.

    Only a captured model declares which of its columns contain personal data.
    """
    try:
        event = decode(bytes(letter.key or b""), bytes(letter.value or b""))
        return row_of(letter).capture.table == event.table
    except Rejected:
        return False
