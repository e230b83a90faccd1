"""Measures how long changes take to become visible, including during faults."""

import threading
import time
from collections.abc import Sequence
from typing import Self

from django.db import Error, connection

from stories.models import Story
from tests.faults.watcher import Judge, Look

KEY = 1_000_000
"""The story that the probe changes. The writers never touch it."""
_EVERY_SECONDS = 0.1


class Delays(Judge):
    """A judge that also notes when each change of the probe is visible."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = 0.0
        self._committed: dict[int, float] = {}
        self._lock = threading.Lock()

    def committed(self, number: int) -> None:
        with self._lock:
            self._committed[number] = time.monotonic()

    def see(self, looks: Sequence[Look]) -> None:
        super().see(looks)
        document = looks[0].get(KEY)
        if document is not None:
            self._visible(int(document["diggs"]), time.monotonic())

    def _visible(self, highest: int, now: float) -> None:
        with self._lock:
            seen = [number for number in self._committed if number <= highest]
            waits = [now - self._committed.pop(number) for number in seen]
        self.longest = max([self.longest, *waits])


class Probe:
    """Saves a story ten times per second while the block runs, not through the database's proxy."""

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def paused(self) -> threading.Lock:
        """Return a context manager that pauses the probe."""
        return self._lock

    def _run(self) -> None:
        address = "http://example.org/probe"
        story = Story(pk=KEY, title="probe", href=address, link=address)
        while not self._stopped.wait(_EVERY_SECONDS):
            with self._lock:
                self._save(story)
        connection.close()

    def _save(self, story: Story) -> None:
        story.diggs += 1
        try:
            story.save()
        except Error:
            connection.close()  # The database is the target of a fault.
        else:
            self._delays.committed(story.diggs)
