"""Reads the three collections in continuous snapshots, and checks each snapshot."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.equality import COLLECTIONS

Version = tuple[int, int]
Look = Mapping[int, Mapping[str, Any]]
"""The documents of one collection by `_id`."""


class Judge:
    """Checks that the collections of a snapshot are equal, and that versions only increase."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._highest: dict[int, Version] = {}
        self._gone: set[int] = set()
        self._last: dict[int, Version] = {}

    def see(self, looks: Sequence[Look]) -> None:
        """Check one snapshot of all collections."""
        first, *others = looks
        for name, other in zip(COLLECTIONS[1:], others, strict=False):
            if other != first:
                keys = [
                    key for key in first.keys() | other.keys() if first.get(key) != other.get(key)
                ]
                self.violations.append(
                    f"{name} differs from {COLLECTIONS[0]} in {sorted(keys)[:5]}"
                )
        self._last = {
            key: (document["_epoch"], document["_version"]) for key, document in first.items()
        }
        for key, version in self._last.items():
            self._see_story(key, version)
        self._gone = self._highest.keys() - first.keys()

    def end(self, source: Mapping[int, Version]) -> None:
        """Compare the last snapshot with the versions of the rows."""
        for key in sorted(source.keys() | self._last.keys()):
            if source.get(key) != self._last.get(key):
                self.violations.append(
                    f"story {key} ends as {self._last.get(key)}, its row as {source.get(key)}"
                )

    def _see_story(self, key: int, version: Version) -> None:
        highest = self._highest.get(key, (0, 0))
        if version < highest:
            self.violations.append(f"story {key} went back from {highest} to {version}")
        elif key in self._gone and version == highest:
            self.violations.append(f"story {key} came back as {version} after it was deleted")
        self._highest[key] = max(version, highest)


class Watcher:
    """Takes and checks snapshots in a thread, by default about 30 per second."""

    def __init__(
        self, uri: str, database: str, judge: Judge | None = None, *, every: float = 0.03
    ) -> None:
        self.judge = judge or Judge()
        self._every = every
        self.looks = 0
        self._uri, self._database = uri, database
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def look(self, client: MongoClient[dict[str, Any]]) -> None:
        """Take and check one snapshot."""
        with client.start_session(snapshot=True) as session:
            looks = [
                {item["_id"]: item for item in client[self._database][name].find(session=session)}
                for name in COLLECTIONS
            ]
        self.judge.see(looks)
        self.looks += 1

    def _watch(self) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(
            self._uri, serverSelectionTimeoutMS=500, socketTimeoutMS=3000
        )
        with client:
            while not self._stopped.wait(self._every):
                try:
                    self.look(client)
                except PyMongoError:
                    continue  # MongoDB is unreachable, or the collections do not exist yet.
