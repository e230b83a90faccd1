"""The row that a dead letter is about."""

from dataclasses import dataclass
from typing import Any

import orjson

from cdc.errors import Rejected
from cdc.models import DeadLetter
from cdc.registry import Capture, registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The row that a dead letter is about; the row may have been deleted."""

    capture: Capture
    key: Any
    """The primary key of the row, as a Python value."""


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
