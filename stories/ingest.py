"""Stories from files into the database: each row created, updated, left alone or reported."""

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
from stories.digg import COLUMNS, story_from
from stories.errors import BadRow
from stories.json_array import read_array
from stories.models import Story
from stories.records import Record, begins_array, open_rows, read_lines

CHUNK_ROWS = 50
"""Rows in one transaction: few enough that the feed moves while an import runs."""
CHUNK_SIZE = 1_000_000
ATTEMPTS = 6
"""Tries of one transaction, about 1.5 s in all: enough for deadlocks and a reconnection."""
_SPOILS_ONE_ROW = (Refused, IntegrityError, DataError)

_JSON_COLUMNS = frozenset({"container", "topic", "user", "thumbnail", "shorturl"})
"""Not for bulk updates, which store JSON null where `save()` stores NULL."""

Counts = Counter[str]
"""How many rows were `created`, `updated`, `unchanged` or `bad`."""


class Interrupted(CdcError):
    """The database stayed away; the text says how far the import came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A valid story and where its row stands."""

    where: str
    story: Story


class Ingest:
    """Imports files and counts. Rows of one source id are applied in their order."""

    def __init__(
        self,
        say: Callable[[str], None],
        advance: Callable[[int], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        """Send each sentence to `say` and the bytes done to `advance`."""
        self._say = say
        self._advance = advance
        self._clock = clock or SystemClock()
        self._file = ""
        self.counts: Counts = Counter()
        self.complete = True
        """Whether every file could be read."""

    @property
    def summary(self) -> str:
        """What was done, in one line."""
        names = ("created", "updated", "unchanged", "bad")
        counts = ", ".join(f"{self.counts[name]} {name}" for name in names)
        return f"{self.counts.total()} read, {counts}"

    def run(self, path: str) -> None:
        """Import one file; what is wrong with it is said. Raises Interrupted."""
        self._file = Path(path).name
        try:
            with open_rows(path) as file:
                if not file.peek(1):
                    self._unreadable(path, "is empty: name a file with stories")
                for chunk in _chunks(_records(file)):
                    self._import(chunk)
                    self._advance(sum(record.size for record in chunk))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._unreadable(path, f"cannot be read ({reason}): name a readable file")

    def _unreadable(self, path: str, problem: str) -> None:
        self.complete = False
        self._say(f"The file {path!r} {problem}.")

    def _import(self, records: Sequence[Record]) -> None:
        candidates = [found for record in records if (found := self._candidate(record))]
        try:
            if candidates:
                self._store(candidates)
        except _SPOILS_ONE_ROW:
            # One row spoiled the chunk's transaction: now each row gets its own.
            for candidate in candidates:
                self._store_alone(candidate)

    def _candidate(self, record: Record) -> Candidate | None:
        if record.problem:
            self._bad(record.where, record.problem)
            return None
        try:
            return Candidate(where=record.where, story=story_from(record.value))
        except BadRow as error:
            self._bad(record.where, str(error))
        except RecursionError:
            self._bad(record.where, "nests too deep: flatten it")
        return None

    def _store_alone(self, candidate: Candidate) -> None:
        try:
            self._store([candidate])
        except _SPOILS_ONE_ROW as error:
            self._bad(candidate.where, f"is refused: {str(error).rstrip('.')}")

    def _store(self, candidates: Sequence[Candidate]) -> None:
        """Store rows in one transaction, again when the database says no for now."""
        using = router.db_for_write(Story)
        reason = ""
        for failures in range(ATTEMPTS):
            try:
                self.counts += _upsert([candidate.story for candidate in candidates], using)
            except (OperationalError, InterfaceError) as error:
                reason = str(error)
                connections[using].close_if_unusable_or_obsolete()
                self._clock.sleep(backoff(failures))
            else:
                return
        raise Interrupted(
            f"The database failed {ATTEMPTS} times ({reason}) before {self._file}, "
            f"{candidates[0].where}; {self.summary}: import the file again, "
            "what is stored will be left alone."
        )

    def _bad(self, where: str, problem: str) -> None:
        self.counts["bad"] += 1
        self._say(f"{self._file}, {where}: {problem}.")


def _records(file: BufferedReader) -> Iterator[Record]:
    return read_array(file) if begins_array(file) else read_lines(file)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield records in lists that are short in rows and in bytes, so that memory is bounded."""
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += record.size
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_SIZE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _upsert(stories: Sequence[Story], using: str) -> Counts:
    """Write stories in one transaction and count what it took; equal ones are not written."""
    counts: Counts = Counter()
    with transaction.atomic(using=using):
        for distinct in _rounds(stories):
            # Locked until the commit, so that what is compared is what is overwritten.
            rows = Story.objects.using(using).select_for_update().order_by("pk")
            stored = {row.source_id: row for row in rows.filter(source_id__in=list(distinct))}
            new = [story for key, story in distinct.items() if key not in stored]
            # Copies: these must still be unsaved when the transaction has to be done again.
            Story.objects.using(using).bulk_create([_copy(story) for story in new])
            counts["created"] += len(new)
            known = [(old, distinct[key]) for key, old in stored.items() if key in distinct]
            updated = _update(known, using)
            counts["updated"] += updated
            counts["unchanged"] += len(known) - updated
    return counts


def _rounds(stories: Sequence[Story]) -> Iterator[dict[str | None, Story]]:
    """Yield stories by source id, each id once a round, its rows in their order."""
    while stories:
        distinct: dict[str | None, Story] = {}
        stories = [
            story for story in stories if distinct.setdefault(story.source_id, story) is not story
        ]
        yield distinct


def _copy(story: Story) -> Story:
    return Story(**{name: getattr(story, name) for name in COLUMNS})


def _update(pairs: Sequence[tuple[Story, Story]], using: str) -> int:
    """Give each stored story what is new in the other; return how many had anything new."""
    together: list[Story] = []
    changed: set[str] = set()
    updated = 0
    for old, new in pairs:
        names = {name for name in COLUMNS if not _same(getattr(old, name), getattr(new, name))}
        for name in names:
            setattr(old, name, getattr(new, name))
        if names and names.isdisjoint(_JSON_COLUMNS):
            together.append(old)
            changed |= names
        elif names:
            old.save(update_fields=names, using=using)
        updated += bool(names)
    if together:
        Story.objects.using(using).bulk_update(together, sorted(changed))
    return updated


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, dict | list):
        # Python's True equals 1, JSON's does not.
        return old == new and json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    return bool(old == new)
