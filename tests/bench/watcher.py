"""Watches a collection, and records when each change became visible."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pymongo import MongoClient

_FIELDS = {"operationType": 1, "documentKey": 1, "fullDocument.diggs": 1}
_AWAIT_MS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A change of a document, reported by a change stream and therefore visible to readers."""

    at: float
    key: int
    mark: int | None
    """The number of the write, or None for a delete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A change of a row, and the time at which its commit returned; `mark` is as in Sight."""

    at: float
    key: int
    mark: int | None


class Watcher:
    """A context manager that records all changes of a collection."""

    def __init__(self, uri: str, database: str, collection: str) -> None:
        self.sights: list[Sight] = []
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri)
        self._collection = self._client[database][collection]
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._stream = self._collection.watch([{"$project": _FIELDS}], max_await_time_ms=_AWAIT_MS)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._thread.join()
        self._client.close()

    def _watch(self) -> None:
        with self._stream as stream:
            while not self._stopped:
                change = stream.try_next()
                if change is not None and "documentKey" in change:
                    self.sights.append(_sight(change))


def key_of(identity: Any) -> int:
    """Return the row's key from the `_id` of a document; the peer's `_id` is `{"id": key}`."""
    found = identity["id"] if isinstance(identity, Mapping) else identity
    return int(found)


def delays(commits: Iterable[Commit], sights: Iterable[Sight]) -> list[float]:
    """Return the seconds from each commit until the change was visible in MongoDB.

    A system may skip a change if it copies a later change of the same row. The time of the later
    change then counts. Each write has a higher mark, so the marks show which change is later.
    """
    waiting: dict[int, list[Commit]] = {}
    for commit in commits:
        waiting.setdefault(commit.key, []).append(commit)
    found = []
    for sight in sights:
        pending, mark = waiting.get(sight.key, []), sight.mark or 0
        found += [sight.at - commit.at for commit in pending if (commit.mark or 0) <= mark]
        waiting[sight.key] = [commit for commit in pending if (commit.mark or 0) > mark]
    return found


def steps_back(sights: Iterable[Sight]) -> int:
    """Return how often a document returned to an older state, or reappeared after its delete."""
    last: dict[int, float] = {}
    count = 0
    for sight in sights:
        mark = float("inf") if sight.mark is None else sight.mark
        count += mark < last.get(sight.key, 0)
        last[sight.key] = max(mark, last.get(sight.key, 0))
    return count


def _sight(change: Mapping[str, Any]) -> Sight:
    document = change.get("fullDocument") or {}
    return Sight(
        at=time.monotonic(),
        key=key_of(change["documentKey"]["_id"]),
        mark=document.get("diggs"),
    )
