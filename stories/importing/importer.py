"""Writes the stories of a file to the database, and reports rows that cannot be imported."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    router,
    transaction,
)

from cdc.commands import Clock, SystemClock, backoff
from cdc.errors import CdcError, Refused
from stories.importing.digg_row import COLUMNS, story_from
from stories.importing.errors import BadRow
from stories.importing.file_rows import TOO_DEEP, FileRow, begins_array, open_file, read_lines
from stories.importing.json_array import read_array
from stories.models import Story

CHUNK_ROWS = 50
"""The maximum number of rows in one transaction. It is small, so that the relay can publish the
first events while the import runs."""
CHUNK_SIZE = 1_000_000
ATTEMPTS = 6
"""The maximum number of attempts for one transaction. The waits between the attempts add up to
about one second, long enough for a deadlock to end or a connection to be restored."""
_ROW_ERRORS = (Refused, IntegrityError, DataError)

_JSON_COLUMNS = frozenset({"container", "topic", "user", "thumbnail", "shorturl"})
"""Changes to these columns are saved row by row, because `bulk_update` would store JSON null
instead of NULL."""

Counts = Counter[str]
"""The number of rows that were `created`, `updated`, `unchanged` or `bad`."""


class Interrupted(CdcError):
    """The import stopped because the database stayed unavailable. The message says at which row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A valid story and the position of its row in the file."""

    where: str
    story: Story


class Importer:
    """Imports files and counts rows. Rows with the same source id are applied in file order."""

    def __init__(
        self,
        report: Callable[[str], None],
        advance: Callable[[int], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        """Call `report` with each problem, and `advance` with the size of each processed chunk."""
        self._report = report
        self._advance = advance
        self._clock = clock or SystemClock()
        self._file = ""
        self.counts: Counts = Counter()
        self.complete = True
        """Whether every file could be read."""

    @property
    def summary(self) -> str:
        """The counts, in one line."""
        names = ("created", "updated", "unchanged", "bad")
        counts = ", ".join(f"{self.counts[name]} {name}" for name in names)
        return f"{self.counts.total()} read, {counts}"

    def run(self, path: str) -> None:
        """Import one file and report its problems. Raise Interrupted if the database fails."""
        self._file = Path(path).name
        try:
            with open_file(path) as file:
                if not file.peek(1):
                    self._unreadable(path, "is empty: name a file with stories")
                for chunk in _chunks(_rows(file)):
                    self._import(chunk)
                    self._advance(sum(row.size for row in chunk))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._unreadable(path, f"cannot be read ({reason}): name a readable file")

    def _unreadable(self, path: str, problem: str) -> None:
        self.complete = False
        self._report(f"The file {path!r} {problem}.")

    def _import(self, rows: Sequence[FileRow]) -> None:
        candidates = [found for row in rows if (found := self._candidate(row))]
        try:
            if candidates:
                self._store(candidates)
        except _ROW_ERRORS:
            # One bad row rolls back the whole chunk. Each row now gets a transaction of its own.
            for candidate in candidates:
                self._store_alone(candidate)

    def _candidate(self, row: FileRow) -> Candidate | None:
        if row.problem:
            self._bad(row.where, row.problem)
            return None
        try:
            return Candidate(where=row.where, story=story_from(row.value))
        except BadRow as error:
            self._bad(row.where, str(error))
        except RecursionError:
            self._bad(row.where, TOO_DEEP)
        return None

    def _store_alone(self, candidate: Candidate) -> None:
        try:
            self._store([candidate])
        except _ROW_ERRORS as error:
            self._bad(candidate.where, f"the row was refused: {str(error).rstrip('.')}")

    def _store(self, candidates: Sequence[Candidate]) -> None:
        """Store rows in one transaction, which is repeated after a temporary database error."""
        using = router.db_for_write(Story)
        reason = ""
        for failures in range(ATTEMPTS):
            if failures:
                self._clock.sleep(backoff(failures - 1))
            try:
                self.counts += _upsert([candidate.story for candidate in candidates], using)
            except (OperationalError, InterfaceError) as error:
                reason = str(error)
                connections[using].close_if_unusable_or_obsolete()
            else:
                return
        raise Interrupted(
            f"The database failed {ATTEMPTS} times at {self._file}, {candidates[0].where}: "
            f"{reason}. Until then: {self.summary}. Import the file again. "
            "Rows that were already imported will not change."
        )

    def _bad(self, where: str, problem: str) -> None:
        self.counts["bad"] += 1
        self._report(f"{self._file}, {where}: {problem}.")


def _rows(file: BufferedReader) -> Iterator[FileRow]:
    return read_array(file) if begins_array(file) else read_lines(file)


def _chunks(rows: Iterable[FileRow]) -> Iterator[list[FileRow]]:
    """Yield lists of rows. The number and the size of the rows in a list are limited."""
    chunk: list[FileRow] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += row.size
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_SIZE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _upsert(stories: Sequence[Story], using: str) -> Counts:
    """Write stories in one transaction and count them. Unchanged stories are not written."""
    counts: Counts = Counter()
    with transaction.atomic(using=using):
        for distinct in _rounds(stories):
            # The rows are locked, so that they cannot change between the comparison and the update.
            rows = Story.objects.using(using).select_for_update().order_by("pk")
            stored = {row.source_id: row for row in rows.filter(source_id__in=list(distinct))}
            new = [story for key, story in distinct.items() if key not in stored]
            # Copies are saved, because a retry of the transaction needs unsaved originals.
            Story.objects.using(using).bulk_create([_copy(story) for story in new])
            counts["created"] += len(new)
            known = [(old, distinct[key]) for key, old in stored.items() if key in distinct]
            updated = _update(known, using)
            counts["updated"] += updated
            counts["unchanged"] += len(known) - updated
    return counts


def _rounds(stories: Sequence[Story]) -> Iterator[dict[str | None, Story]]:
    """Yield dicts of stories by source id. A story with a repeated id is in a later dict."""
    while stories:
        distinct: dict[str | None, Story] = {}
        stories = [
            story for story in stories if distinct.setdefault(story.source_id, story) is not story
        ]
        yield distinct


def _copy(story: Story) -> Story:
    return Story(**{name: getattr(story, name) for name in COLUMNS})


def _update(pairs: Sequence[tuple[Story, Story]], using: str) -> int:
    """Copy the new values to the stored stories; return the number of stories that changed."""
    in_bulk: list[Story] = []
    changed: set[str] = set()
    updated = 0
    for old, new in pairs:
        names = {name for name in COLUMNS if not _same(getattr(old, name), getattr(new, name))}
        for name in names:
            setattr(old, name, getattr(new, name))
        if names and names.isdisjoint(_JSON_COLUMNS):
            in_bulk.append(old)
            changed |= names
        elif names:
            old.save(update_fields=names, using=using)
        updated += bool(names)
    if in_bulk:
        Story.objects.using(using).bulk_update(in_bulk, sorted(changed))
    return updated


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, dict | list):
        # In Python, True equals 1. In JSON, true and 1 differ.
        return old == new and json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    return bool(old == new)
