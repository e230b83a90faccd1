"""Compares a dead letter's message with the current row and the current replica."""

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from cdc.audience import Audience
from cdc.capture.images import read_images
from cdc.conf import CdcSettings
from cdc.dead_letters.comparison import matches
from cdc.dead_letters.rows import Row, row_of
from cdc.dead_letters.visible import is_event
from cdc.errors import Misconfigured, Refused, Rejected, Retryable
from cdc.models import DeadLetter
from cdc.mongo.client import connect
from cdc.mongo.content import Held, as_stored, same
from cdc.mongo.reader import ReplicaReader
from cdc.printable import printable
from cdc.registry import Capture
from cdc.wire.columns import wire_time

LONGEST_PAYLOAD = 8_000
"""The maximum number of characters of a message that are shown."""
_LONGEST_VALUE = 300
_NOTHING = "-"
_VERSION = ("_epoch", "_version")
_MALFORMED = "The message is not a well-formed event of a captured table."

Values = Mapping[str, Any] | None
"""Values by column; None if there is no row, document or readable message."""
Replicas = Mapping[str, Held | None]
"""The document of the row in each collection; None if a collection has no such document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The values of one column in the message, the row and the replica, as printable text."""

    column: str
    message: str
    source: str
    replica: str
    differs: bool
    """Whether the row and the replica both exist and have different values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The result of an inspection; all strings are printable."""

    payload: str
    verdict: str
    """How the row and the replica differ, and what a replay would do; or the problem."""
    lines: tuple[Line, ...]
    replayable: bool
    changes: bool = True
    """Whether a replay would change the replica; True if the replica could not be read."""

    @property
    def differing(self) -> tuple[str, ...]:
        """The columns that have different values in the row and in the replica."""
        return tuple(line.column for line in self.lines if line.differs)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        return {**asdict(self), "differing": self.differing}


class Inspector:
    """Reads the row and the replica; if MongoDB is unreachable, it reads only the row."""

    def __init__(self, settings: CdcSettings, using: str) -> None:
        self._settings = settings
        self._using = using

    def inspect(self, letter: DeadLetter, audience: Audience) -> Inspection:
        """Return what `audience` may see of the message, the row and the replica."""
        payload = audience.text(printable(_payload(letter), LONGEST_PAYLOAD))
        if not audience.sees_people and not is_event(letter):
            return _discardable(payload, _MALFORMED)
        try:
            row = row_of(letter)
            source = self._source(row)
        except (Rejected, Refused) as error:
            return _discardable(payload, audience.text(str(error)))
        replicas: Replicas = {}
        changes = True
        try:
            replicas = self._replicas(row)
        except (Retryable, Misconfigured) as error:
            cause = f" {error}" if audience.sees_people else ""
            verdict = f"The replica could not be read.{cause}"
        else:
            verdict, changes = _verdict(row, source, replicas)
        hidden = row.capture.hidden(audience)
        lines = tuple(
            line
            for line in _lines(row.capture, _message(letter), source, replicas)
            if line.column not in hidden
        )
        return Inspection(
            payload=payload, verdict=verdict, lines=lines, replayable=True, changes=changes
        )

    def _source(self, row: Row) -> Values:
        images = read_images(row.capture, [row.key], using=self._using)
        return row.capture.wire_row(images[row.key]) if row.key in images else None

    def _replicas(self, row: Row) -> Replicas:
        key = row.capture.key.to_wire(row.key)
        with connect(self._settings) as client:
            reader = ReplicaReader(client, self._settings)
            found = reader.held(row.capture.collections, [key])
        return {name: documents.get(key) for name, documents in found.items()}


def _discardable(payload: str, verdict: str) -> Inspection:
    """Return the inspection of a message that can only be discarded."""
    return Inspection(payload=payload, verdict=verdict, lines=(), replayable=False, changes=False)


def _payload(letter: DeadLetter) -> bytes | None:
    return None if letter.value is None else bytes(letter.value)


def _message(letter: DeadLetter) -> Values:
    try:
        envelope = orjson.loads(_payload(letter) or b"")
    except orjson.JSONDecodeError:
        return None
    row = envelope.get("after") or envelope.get("before") if isinstance(envelope, dict) else None
    return row if isinstance(row, dict) else None


def _lines(
    capture: Capture, message: Values, source: Values, replicas: Replicas
) -> tuple[Line, ...]:
    return tuple(
        Line(
            column=name,
            message=_shown(message, name),
            source=_shown(source, name),
            replica=_shown_replicas(replicas, name),
            differs=any(
                _differs(capture, source, _document(held), name) for held in replicas.values()
            ),
        )
        for name in (*(column.name for column in capture.columns), *_VERSION)
    )


def _document(held: Held | None) -> Values:
    return None if held is None else held.document


def _differs(capture: Capture, source: Values, held: Values, name: str) -> bool:
    if name in _VERSION or source is None or held is None:
        return False
    column = next(column for column in capture.columns if column.name == name)
    if name not in held:
        return True
    return not same(as_stored(column.from_wire(source[name])), as_stored(held[name]))


def _verdict(row: Row, source: Values, replicas: Replicas) -> tuple[str, bool]:
    """Return a sentence on a replay's effect, and whether a replay would change anything."""
    name = f"{row.capture.table} {printable(str(row.key), 60)}"
    missing = [held is None for held in replicas.values()]
    if source is None and all(missing):
        sentence = f"{name} is in neither the database nor the replica: a replay changes nothing."
        return sentence, False
    if source is None:
        sentence = f"{name} has been deleted, but not from the replica: a replay sends the delete."
        return sentence, True
    if any(missing):
        return f"{name} is missing from at least one collection: a replay sends the row.", True
    lines = _lines(row.capture, None, source, replicas)
    if columns := ", ".join(line.column for line in lines if line.differs):
        return (
            f"{name} differs from the replica in {columns}: a replay sends the current row.",
            True,
        )
    if not matches(row.capture, source, replicas):
        sentence = (
            f"{name} has the same values in the replica, but a document has an extra field or no "
            "valid version: a replay sends the current row."
        )
        return sentence, True
    return f"{name} is the same in the replica: a replay would change nothing.", False


def _shown_replicas(replicas: Replicas, name: str) -> str:
    if not replicas:
        return "unknown"
    shown = {collection: _shown(_document(held), name) for collection, held in replicas.items()}
    if len(set(shown.values())) == 1:
        return next(iter(shown.values()))
    return "; ".join(f"{collection}: {value}" for collection, value in shown.items())


def _shown(values: Values, name: str) -> str:
    if values is None or name not in values:
        return _NOTHING
    value = values[name]
    if isinstance(value, datetime):
        value = wire_time(value)
    return printable(value if isinstance(value, str) else _json(value), _LONGEST_VALUE)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:
        # A message from another program may be nested deeper than the encoder allows.
        return reprlib.repr(value)
