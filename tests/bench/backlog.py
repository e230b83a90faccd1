"""Measures how long a system takes to copy changes that were committed while it was stopped."""

import time
from collections.abc import Callable, Iterator

from stories.models import Story
from tests.bench.results import Results
from tests.bench.stories import marks, new_story
from tests.bench.system import System
from tests.bench.usage import Usage

_CHUNK = 500
_POLL_SECONDS = 0.02


def measure(system: System, changes: int, found: Results) -> None:
    """Measure three backlogs: `changes` inserts, then as many updates, then as many deletes."""
    with system.selected():
        with system.running():
            system.clear()
        for kind, write in (("inserts", _insert), ("updates", _update), ("deletes", _delete)):
            begun, done = write(system, changes)
            _copy(system, kind, changes, (begun, done), found)


def _copy(
    system: System,
    kind: str,
    changes: int,
    state: tuple[Callable[[], bool], Callable[[], bool]],
    found: Results,
) -> None:
    begun, done = state
    with Usage(system.pids) as usage:
        began = time.monotonic()
        system.start()
        try:
            system.wait(begun, f"the first of the {kind}", _POLL_SECONDS)
            first = time.monotonic()
            system.wait(done, f"the last of the {kind}", _POLL_SECONDS)
            last = time.monotonic()
        finally:
            system.stop()
    name, what = system.title, f"backlog of {changes:,}: {kind}"
    found.add(name, f"{what}, start to first, s", first - began)
    found.add(name, f"{what}, start to last, s", last - began)
    found.add(name, f"{what}, per second after the first", changes / (last - first), "higher")
    found.add(name, f"{what}, processor time, s", usage.seconds)
    found.add(name, f"{what}, memory, MB", usage.megabytes)


def _insert(system: System, changes: int) -> tuple[Callable[[], bool], Callable[[], bool]]:
    for size in _chunks(changes):
        Story.objects.bulk_create([new_story() for _ in range(size)])
    count = system.replica.estimated_document_count
    return (lambda: count() > 0), (lambda: count() >= changes)


def _update(system: System, changes: int) -> tuple[Callable[[], bool], Callable[[], bool]]:
    mark = next(marks)
    keys = list(Story.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, changes, _CHUNK):
        Story.objects.filter(pk__in=keys[start : start + _CHUNK]).update(diggs=mark)
    find = system.replica.find_one
    return (
        lambda: find({"diggs": mark}) is not None,
        lambda: find({"diggs": {"$ne": mark}}) is None,
    )


def _delete(system: System, changes: int) -> tuple[Callable[[], bool], Callable[[], bool]]:
    keys = list(Story.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, changes, _CHUNK):
        Story.objects.filter(pk__in=keys[start : start + _CHUNK]).delete()
    count = system.replica.estimated_document_count
    return (lambda: count() < changes), (lambda: count() == 0)


def _chunks(changes: int) -> Iterator[int]:
    for start in range(0, changes, _CHUNK):
        yield min(_CHUNK, changes - start)
