"""A writer process of a schedule: `python -m tests.faults.schedule.writer SEED STORIES [RATE]`.

It writes the same STORIES stories as the other writers until it receives SIGTERM. It does not
repeat a write that failed: after a broken connection, a write may or may not be committed. With
RATE, it commits that many changes per second.
"""

import math
import os
import random
import signal
import sys
import time
from collections.abc import Callable

import django
from django.db import Error, connection, transaction

from tests.faults.schedule.pace import Pace

# Django must be set up before the models are imported, because this module is a program.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from stories.models import Story  # noqa: E402

ADDED = "language"
"""The column that a schedule adds. See tests/support/next_version.py."""
_LATE_SECONDS = 0.5
_PAUSE_SECONDS = 0.004


class RolledBack(Exception):
    """Ends a transaction without a commit."""


def _save(chance: random.Random, key: int) -> int:
    """Save a story, or create it again under the key of a deleted one."""
    number = chance.randint(1, 1_000_000)
    address = f"http://example.org/{number}"
    values = {"title": f"title {number}", "href": address, "link": address}
    if hasattr(Story, ADDED):
        values[ADDED] = str(number % 10)
    Story.objects.update_or_create(pk=key, defaults=values)
    return 1


def _delete(_: random.Random, key: int) -> int:
    return Story.objects.filter(pk=key).delete()[0]


def _update(chance: random.Random, key: int) -> int:
    stories = Story.objects.filter(pk__range=(key, key + 5))
    return stories.update(diggs=chance.randint(1, 1_000_000))


def _bulk_update(chance: random.Random, key: int) -> int:
    stories = list(Story.objects.filter(pk__range=(key, key + 9)).order_by("pk"))
    for story in stories:
        story.comments = chance.randint(1, 1_000_000)
    return Story.objects.bulk_update(stories, ["comments"])


def _bulk_create(chance: random.Random, key: int) -> int:
    """Delete ten stories and create them again in one transaction."""
    deleted, _ = Story.objects.filter(pk__range=(key, key + 9)).delete()
    address = f"http://example.org/{chance.randint(1, 1_000_000)}"
    created = Story.objects.bulk_create(
        [
            Story(pk=number, title=f"bulk {number}", href=address, link=address)
            for number in range(key, key + 10)
        ]
    )
    return deleted + len(created)


def _late(chance: random.Random, key: int) -> int:
    """Keep the transaction open while later ones commit."""
    changes = _save(chance, key)
    time.sleep(chance.uniform(0, _LATE_SECONDS))
    return changes


def _rollback(chance: random.Random, key: int) -> int:
    _save(chance, key)
    raise RolledBack


Write = Callable[[random.Random, int], int]
"""Changes stories, beginning at a key, and returns the number of changes."""
WRITES: dict[Write, int] = {
    _save: 50,
    _delete: 15,
    _update: 12,
    _bulk_update: 6,
    _bulk_create: 6,
    _late: 3,
    _rollback: 8,
}
"""Each kind of write and its weight."""


def main(seed: int, stories: int, rate: float = math.inf) -> None:
    chance = random.Random(seed)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    kinds, weights = list(WRITES), list(WRITES.values())
    pace = Pace(rate)
    while not ended:
        write = chance.choices(kinds, weights)[0]
        changes = write_once(write, chance, chance.randint(1, stories))
        time.sleep(max(pace.pause(changes), _PAUSE_SECONDS if rate == math.inf else 0.0))


def write_once(write: Write, chance: random.Random, key: int) -> int:
    """Return the number of changes that were committed."""
    try:
        with transaction.atomic():
            return write(chance, key)
    except RolledBack:
        pass
    except Error:
        connection.close()
    return 0


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:]))
