"""Concurrent writers that save, bulk-update, delete and recreate the same few stories."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from django.db import Error, connection, transaction

from stories.models import Story

STORIES = 40
LOG = "outbox_log"


class Traffic:
    """Writers in threads. They do not repeat a write that failed, such as one with a deadlock."""

    def __init__(self, writers: int = 2, pause: float = 0.008) -> None:
        self.written = self.refused = 0
        self._pause = pause
        self._stopped, self._running = threading.Event(), threading.Event()
        self._locks = [threading.Lock() for _ in range(writers)]
        self._threads = [
            threading.Thread(target=self._write, args=(lock, random.Random(number)), daemon=True)
            for number, lock in enumerate(self._locks)
        ]

    def __enter__(self) -> Self:
        self._running.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._running.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause all writers inside the block."""
        self._running.clear()
        for lock in self._locks:
            with lock:
                pass
        try:
            yield
        finally:
            self._running.set()

    def _write(self, lock: threading.Lock, chance: random.Random) -> None:
        while not self._stopped.wait(self._pause):
            self._running.wait()
            with lock:
                if self._running.is_set() and not self._stopped.is_set():
                    self._write_once(chance)
        connection.close()

    def _write_once(self, chance: random.Random) -> None:
        try:
            with transaction.atomic():
                _change(chance)
        except Error:
            self.refused += 1
            connection.close()
        else:
            self.written += 1


def _change(chance: random.Random) -> None:
    key, number = chance.randint(1, STORIES), chance.randint(1, 1_000_000)
    kind = chance.random()
    if kind < 0.2:
        Story.objects.filter(pk__in=range(key, key + 4)).update(diggs=number)
    elif kind < 0.35:
        Story.objects.filter(pk=key).delete()
    else:
        address = f"http://example.org/{number}"
        Story.objects.update_or_create(
            pk=key, defaults={"title": f"title {number}", "href": address, "link": address}
        )


def create_outbox_log() -> None:
    """Create a table and a trigger that logs each outbox row in it."""
    mysql = connection.vendor == "mysql"
    each = "FOR EACH ROW" if mysql else "FOR EACH ROW BEGIN"
    end = "" if mysql else "; END"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {LOG} (epoch BIGINT, id BIGINT, story VARCHAR(255))")
        cursor.execute(
            f"CREATE TRIGGER outbox_logged AFTER INSERT ON cdc_outbox {each} "
            f"INSERT INTO {LOG} VALUES (NEW.epoch, NEW.id, NEW.{_quoted('key')}){end}"
        )


def clear_outbox_log() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {LOG}")


def logged() -> set[tuple[int, int, str]]:
    """Return the epoch, the id and the key of each committed outbox row, including deleted rows."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT epoch, id, story FROM {LOG}")
        return {(int(row[0]), int(row[1]), str(row[2])) for row in cursor.fetchall()}


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
