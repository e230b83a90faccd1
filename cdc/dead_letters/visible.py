"""The parts of a dead letter that an audience may see: the same parts as in the live feed."""

from collections.abc import Collection
from typing import Any

import orjson
from django.db.models import Q

from cdc.audience import Audience
from cdc.dead_letters.rows import row_of
from cdc.errors import Rejected
from cdc.models import DeadLetter
from cdc.wire.event import Operation, decode

_LARGEST_READ = 65_536
"""Larger messages are not read for a list, because those of one page could add up to 50 MB."""


def place(letter: DeadLetter) -> str:
    """Return the topic, partition and offset of the message, or the outbox row."""
    if letter.partition < 0:
        return f"{letter.topic}, outbox row {letter.offset}"
    return f"{letter.topic} {letter.partition}:{letter.offset}"


def visible_reason(letter: DeadLetter, audience: Audience) -> str:
    """Return the reason, or a substitute if the audience must not see the values in a reason."""
    return audience.text(letter.reason)


def visible_key(letter: DeadLetter, audience: Audience) -> str:
    """Return the key, or an empty string if the audience must not see it.

    The key of a malformed message may contain personal data.
    """
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


def operations_of(numbers: Collection[int], *, using: str) -> dict[int, str]:
    """Return the operation that each message names, keyed by dead letter id.

    A tombstone counts as a delete. A message that is very large, or that names no valid operation,
    is left out.
    """
    small = Q(size__isnull=True) | Q(size__lte=_LARGEST_READ)
    letters = DeadLetter.objects.using(using).filter(small, pk__in=numbers)
    found = {number: _operation(value) for number, value in letters.values_list("pk", "value")}
    return {number: operation for number, operation in found.items() if operation}


def _operation(value: Any) -> str:
    if value is None:
        return Operation.DELETE.value
    try:
        message = orjson.loads(bytes(value))
        return Operation(message["op"]).value
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return ""
