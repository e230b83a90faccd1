"""Finds out what a discard leaves behind: rows that differ from their documents."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.db import Error

from cdc.capture.images import read_images
from cdc.conf import cdc_settings
from cdc.dead_letters.comparison import matches
from cdc.dead_letters.rows import Row, row_of
from cdc.errors import CdcError, Refused, Rejected
from cdc.models import DeadLetter
from cdc.mongo.client import connect
from cdc.mongo.reader import ReplicaReader
from cdc.refusals import close_broken_connections
from cdc.registry import Capture

_SECONDS = 5.0
"""How long a comparison may wait for MongoDB; after this time, the rows count as different."""


class Leftovers:
    """Marks the dead letters of one discard whose rows may differ from their documents.

    A dead letter is marked before it is discarded, and its row is compared afterwards. After a
    crash or an outage, the mark remains, because the row has not been compared.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._rows: dict[int, Row] = {}
        self._failed = False

    def mark(self, letter: DeadLetter) -> None:
        """Mark a dead letter if its row is known; the caller saves the mark."""
        with suppress(Rejected):
            self._rows[letter.pk] = row_of(letter)
            letter.may_differ = True

    def compare(self, discarded: Iterable[int]) -> None:
        """Remove the mark of the discarded dead letters whose row equals its documents.

        After the first failure, this object compares no more rows. During an outage, a discard
        therefore waits only once.
        """
        rows = {number: self._rows[number] for number in discarded if number in self._rows}
        self._rows.clear()
        if not rows or self._failed:
            return
        try:
            equal = _equal(rows, self._using)
            letters = DeadLetter.objects.using(self._using)
            letters.filter(pk__in=equal).update(may_differ=False)
        except CdcError:
            self._failed = True
        except Error:
            close_broken_connections()
            self._failed = True


def _equal(rows: Mapping[int, Row], using: str) -> list[int]:
    """Return the ids of the dead letters whose rows equal their documents."""
    settings = cdc_settings()
    keys: dict[Capture, list[Any]] = {}
    for row in rows.values():
        keys.setdefault(row.capture, []).append(row.key)
    with connect(settings) as client:
        reader = ReplicaReader(client, settings)
        with reader.within(_SECONDS):
            equal = {
                capture: _equal_keys(capture, found, reader, using)
                for capture, found in keys.items()
            }
    return [number for number, row in rows.items() if row.key in equal[row.capture]]


def _equal_keys(
    capture: Capture, keys: Iterable[Any], reader: ReplicaReader, using: str
) -> set[Any]:
    wire = {}
    for key in keys:
        with suppress(Refused):
            wire[key] = capture.key_to_wire(key)
    documents = reader.held(capture.collections, list(wire.values()))
    images = read_images(capture, wire, using=using)
    equal = set()
    for key, name in wire.items():
        with suppress(Refused):
            row = capture.wire_row(images[key]) if key in images else None
            if matches(capture, row, {each: held.get(name) for each, held in documents.items()}):
                equal.add(key)
    return equal
