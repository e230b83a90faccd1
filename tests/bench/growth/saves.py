"""Measures the cost of a save while the table grows."""

import argparse
import random

from django.db.models import Max, Min

from stories.models import Story
from tests.bench.databases import capturing, create
from tests.bench.results import Results
from tests.bench.stories import marks, new_story
from tests.bench.systems import Servers
from tests.bench.writes import CAPTURED, PLAIN, milliseconds_each

_DATABASE = "bench_stories"
_CHUNK, _SAID_EVERY = 1_000, 100_000


def measure(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    """Measure the saves of new and of existing stories at each size of the table."""
    create(_DATABASE)
    for size in options.steps.stories:
        _fill(servers, size)
        for _ in range(options.rounds):
            for kind, topic in ((PLAIN, None), (CAPTURED, _DATABASE)):
                _save(size, kind, topic, options.saves, found)


def _fill(servers: Servers, size: int) -> None:
    """Create stories without capture until the table has `size` stories."""
    servers.console.say(f"filling the table up to {size:,} stories")
    with capturing(None):
        for start in range(Story.objects.count(), size, _CHUNK):
            count = min(_CHUNK, size - start)
            Story.objects.bulk_create([new_story() for _ in range(count)])
            if (start + count) % _SAID_EVERY == 0:
                servers.console.say(f"{start + count:,} stories")


def _save(size: int, kind: str, topic: str | None, saves: int, found: Results) -> None:
    old, new = _sample(saves), [new_story() for _ in range(saves)]
    for story in old:
        story.diggs = next(marks)
    what = f"a save by stories, ms: {size:,}"
    with capturing(topic):
        found.add(f"{kind}, existing", what, milliseconds_each(old))
        found.add(f"{kind}, new", what, milliseconds_each(new))
    with capturing(None):  # so that the table keeps its size
        Story.objects.filter(pk__in=[story.pk for story in new]).delete()


def _sample(count: int) -> list[Story]:
    """Return stories from the whole table in random order, because neighbours share a page."""
    ends = Story.objects.aggregate(low=Min("pk"), high=Max("pk"))
    keys = range(ends["low"], ends["high"] + 1)
    # Some keys belong to deleted stories, so more keys are drawn than stories are needed.
    drawn = random.sample(keys, min(3 * count, len(keys)))
    found = list(Story.objects.filter(pk__in=drawn)[:count])
    random.shuffle(found)
    return found
