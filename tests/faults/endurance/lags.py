"""How far MongoDB lags behind the database, measured with stories that nothing else changes."""

import threading
import time
from collections.abc import Callable
from typing import Any, Self

from django.db import Error, connection, transaction
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from stories.models import Story
from tests.support.equality import COLLECTIONS

LIMIT_SECONDS = 1.0
KEYS = (1_000_000, 1_000_002, 1_000_004, 1_000_005, 1_000_018)
"""One story in each of five partitions."""
SAVES_PER_SECOND = 10
CHANGES_PER_SECOND = SAVES_PER_SECOND * len(KEYS)
_LOOK_EVERY_SECONDS = 0.02


class Lags:
    """Notes when each numbered change was committed, and when it was visible."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, float] = {}
        self._newest = 0.0
        """When the newest visible change was committed."""
        self._last_late = 0.0
        """When the last change that took longer than the limit became visible."""
        self.longest = 0.0

    def committed(self, number: int, at: float) -> None:
        with self._lock:
            self._waiting[number] = at

    def visible(self, highest: int, at: float) -> None:
        """Record that all changes up to `highest` were visible at the time `at`."""
        with self._lock:
            for number in [number for number in self._waiting if number <= highest]:
                committed = self._waiting.pop(number)
                self._newest = max(self._newest, committed)
                self.longest = max(self.longest, at - committed)
                if at - committed > LIMIT_SECONDS:
                    self._last_late = at

    def calm(self, now: float, seconds: float) -> bool:
        """Return whether changes arrive, and the lag has been below the limit for `seconds`."""
        with self._lock:
            oldest = min(self._waiting.values(), default=now)
            return (
                now - oldest < LIMIT_SECONDS
                and now - self._newest < 2 * LIMIT_SECONDS
                and now - self._last_late >= seconds
            )

    def recovered(self, struck_at: float) -> float:
        """Return the seconds until the lag was below the limit again; 0 if it never exceeded it."""
        with self._lock:
            return max(self._last_late - struck_at, 0.0)


class Probes:
    """Saves the stories ten times per second in one thread, and looks for them in another."""

    def __init__(self, uri: str, database: str) -> None:
        self.lags = Lags()
        self._uri, self._database = uri, database
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._save, self._watch)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _save(self) -> None:
        address = "http://example.org/probe"
        stories = [Story(pk=key, title="probe", href=address, link=address) for key in KEYS]
        number = 0
        while not self._stopped.wait(1 / SAVES_PER_SECOND):
            number += 1
            if _saved(stories, number):
                self.lags.committed(number, time.monotonic())
        connection.close()

    def _watch(self) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(
            self._uri, serverSelectionTimeoutMS=500, socketTimeoutMS=3000
        )
        with client:
            while not self._stopped.wait(_LOOK_EVERY_SECONDS):
                try:
                    number = self._seen(client)
                except PyMongoError:
                    continue  # MongoDB is unreachable, or the collections do not exist yet.
                self.lags.visible(number, time.monotonic())

    def _seen(self, client: MongoClient[dict[str, Any]]) -> int:
        """Return the highest number that all stories have in all collections."""
        with client.start_session(snapshot=True) as session:
            found = [
                document["diggs"]
                for name in COLLECTIONS
                for document in client[self._database][name].find(
                    {"_id": {"$in": KEYS}}, {"diggs": 1}, session=session
                )
            ]
        return min(found) if len(found) == len(COLLECTIONS) * len(KEYS) else 0


def _saved(stories: list[Story], number: int) -> bool:
    try:
        with transaction.atomic():
            for story in stories:
                story.diggs = number
                story.save()
    except Error:
        connection.close()
        return False
    return True


def seconds_until_calm(
    lags: Lags,
    struck_at: float,
    calm: float,
    tend: Callable[[], None],
    limit: float,
) -> float | None:
    """Return the seconds from `struck_at` until the lag is low again.

    It must stay low for `calm` seconds, which are not counted. Return None if this has not happened
    `limit` seconds after `struck_at`. `tend` restarts processes that have ended.
    """
    while time.monotonic() < struck_at + limit:
        tend()
        now = time.monotonic()
        if now - struck_at >= calm and lags.calm(now, calm):
            return lags.recovered(struck_at)
        time.sleep(0.02)
    return None
