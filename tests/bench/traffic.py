"""Several writers, which together keep a steady rate.

A single writer would be too slow, because it waits for each commit."""

import math
import threading
import time
from collections.abc import Callable, Sequence

from django.db import connection

from stories.models import Story
from tests.bench.stories import marks, new_story
from tests.bench.system import System
from tests.bench.watcher import Commit

_WRITERS, _MOST_PER_WRITER = 4, 50
_MIX = 10
"""Of ten changes in mixed traffic, one is an insert, one is a delete and eight are updates."""


class Traffic(threading.Thread):
    """A thread that writes to its own stories at `rate` changes per second."""

    def __init__(self, system: System, stories: list[Story], rate: float, *, mixed: bool) -> None:
        super().__init__(daemon=True)
        self.commits: list[Commit] = []
        self._system, self._stories, self._rate = system, stories, rate
        self._mixed, self._stopped = mixed, False

    def run(self) -> None:
        began = time.monotonic()
        while not self._stopped:
            self._write(len(self.commits))
            time.sleep(max(began + len(self.commits) / self._rate - time.monotonic(), 0))
        connection.close()

    def stop(self) -> None:
        """Stop writing, and wait for the last write."""
        self._stopped = True
        self.join()

    def _write(self, number: int) -> None:
        kind = number % _MIX if self._mixed else -1
        if kind == 0:
            self._stories.append(story := new_story())
            story.save()
        elif kind == 1:
            self._delete_story(self._stories.pop(0))
            return
        else:
            story = self._stories[number % len(self._stories)]
            story.diggs = next(marks)
            story.save()
        self.commits.append(Commit(at=time.monotonic(), key=story.pk, mark=story.diggs))
        self._system.saved(story)

    def _delete_story(self, story: Story) -> None:
        key = story.pk
        story.delete()
        self.commits.append(Commit(at=time.monotonic(), key=key, mark=None))


def writers_for(rate: float) -> int:
    """Return the number of writers: 4, or more if each would write over 50 changes a second."""
    return max(_WRITERS, math.ceil(rate / _MOST_PER_WRITER))


def write(
    system: System,
    stories: Sequence[Story],
    rate: float,
    seconds: float,
    *,
    mixed: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> list[Commit]:
    """Write `rate` changes per second for `seconds` and return the commits.

    After half of the time, call `meanwhile`. If `mixed` is false, all changes are updates.
    """
    count = writers_for(rate)
    shares = [list(stories[number::count]) for number in range(count)]
    writers = [Traffic(system, share, rate / count, mixed=mixed) for share in shares]
    for writer in writers:
        writer.start()
        time.sleep(1 / rate)  # so that the writers do not write at the same moment
    time.sleep(seconds / 2)
    if meanwhile is not None:
        meanwhile()
    time.sleep(seconds / 2)
    for writer in writers:
        writer.stop()
    return [commit for writer in writers for commit in writer.commits]
