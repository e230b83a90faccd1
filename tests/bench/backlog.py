"""Measures how long a system takes to copy changes that were committed while it was paused.

All processes are running and ready before the changes are committed. Then the system is released.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stories.models import Story
from tests.bench.results import Results
from tests.bench.stories import marks, new_story
from tests.bench.system import PATIENCE_SECONDS, System
from tests.bench.usage import Usage

KINDS = ("inserts", "updates", "deletes")
_CHUNK = 500
_POLL_SECONDS = 0.02
_SLOWEST = 500
"""A system that copies fewer changes per second is reported as broken."""
_Holds = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """One measured backlog."""

    kind: str
    changes: int
    first: float
    """Seconds from the release until the first change was visible."""
    last: float
    """Seconds from the release until the last change was visible."""
    usage: Usage
    server_usage: Usage

    @property
    def per_second(self) -> float:
        return self.changes / self.last


def measure(system: System, changes: int, found: Results, server_pids: Sequence[int] = ()) -> None:
    """Measure three backlogs: `changes` inserts, then as many updates, then as many deletes."""
    for drained in drain(system, changes, server_pids):
        name, what = system.title, f"backlog of {changes:,}: {drained.kind}"
        found.add(name, f"{what}, release to first, s", drained.first)
        found.add(name, f"{what}, release to last, s", drained.last)
        found.add(name, f"{what}, per second", drained.per_second, "higher")
        found.add(name, f"{what}, processor time, s", drained.usage.seconds)
        found.add(name, f"{what}, memory, MB", drained.usage.megabytes)
        if server_pids:
            found.add(name, f"{what}, servers' processor time, s", drained.server_usage.seconds)


def drain(system: System, changes: int, server_pids: Sequence[int] = ()) -> Iterator[Drained]:
    """Yield a measured backlog of each kind. The replica is empty before and after.

    `server_pids` are the processes of MySQL, Kafka and mongod, if their usage is to be measured.
    """
    with system.selected(), system.running():
        system.clear()
        for kind, write in zip(KINDS, (_insert, _update, _delete), strict=True):
            system.hold()
            state = write(system, changes)
            usages = Usage(system.pids), Usage(lambda: server_pids)
            yield _copied(system, kind, changes, state, usages)


def _copied(
    system: System,
    kind: str,
    changes: int,
    state: tuple[_Holds, _Holds],
    usages: tuple[Usage, Usage],
) -> Drained:
    begun, done = state
    with usages[0] as usage, usages[1] as server_usage:
        system.release()
        released = time.monotonic()
        patience = PATIENCE_SECONDS + changes / _SLOWEST
        system.wait(begun, f"the first of the {kind}", _POLL_SECONDS, patience)
        first = time.monotonic() - released
        system.wait(done, f"the last of the {kind}", _POLL_SECONDS, patience)
        last = time.monotonic() - released
    return Drained(
        kind=kind,
        changes=changes,
        first=first,
        last=last,
        usage=usage,
        server_usage=server_usage,
    )


def _insert(system: System, changes: int) -> tuple[_Holds, _Holds]:
    for size in _chunks(changes):
        Story.objects.bulk_create([new_story() for _ in range(size)])
    count = system.replica.estimated_document_count
    return (lambda: count() > 0), (lambda: count() >= changes)


def _update(system: System, changes: int) -> tuple[_Holds, _Holds]:
    mark = next(marks)
    keys = _keys()
    for start in range(0, changes, _CHUNK):
        Story.objects.filter(pk__in=keys[start : start + _CHUNK]).update(diggs=mark)
    find = system.replica.find_one
    last = {"_id": {"$in": [keys[-1], {"id": keys[-1]}]}, "diggs": mark}

    def done() -> bool:
        # First look for one key: a search through all documents would slow MongoDB down.
        return find(last) is not None and find({"diggs": {"$ne": mark}}) is None

    return (lambda: find({"diggs": mark}) is not None), done


def _delete(system: System, changes: int) -> tuple[_Holds, _Holds]:
    keys = _keys()
    for start in range(0, changes, _CHUNK):
        Story.objects.filter(pk__in=keys[start : start + _CHUNK]).delete()
    count = system.replica.estimated_document_count
    return (lambda: count() < changes), (lambda: count() == 0)


def _keys() -> list[int]:
    return list(Story.objects.order_by("pk").values_list("pk", flat=True))


def _chunks(changes: int) -> Iterator[int]:
    for start in range(0, changes, _CHUNK):
        yield min(_CHUNK, changes - start)
