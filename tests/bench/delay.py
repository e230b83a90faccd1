"""Measures the time from a commit in MySQL until the change is visible in MongoDB."""

import time
from dataclasses import dataclass

from tests.bench.figures import PERCENTILES, percentile
from tests.bench.results import Results
from tests.bench.stories import new_story
from tests.bench.system import System
from tests.bench.traffic import write
from tests.bench.usage import Usage
from tests.bench.watcher import Watcher, delays

STORIES = 200
_WARM_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """The measured delays at one rate."""

    seen: list[float]
    """The delay of each change, in seconds."""
    took: float
    """How long it took to write the changes, in seconds."""
    usage: Usage

    @property
    def per_second(self) -> float:
        return len(self.seen) / self.took

    def milliseconds(self, percent: float) -> float:
        """Return a percentile of the delays."""
        return percentile(self.seen, percent) * 1000


def measure(system: System, watcher: Watcher, rate: float, seconds: float, found: Results) -> None:
    """Write `rate` changes per second for `seconds`, after a warm-up of a quarter of this time."""
    measured = sample(system, watcher, rate, seconds)
    name, usage = system.title, measured.usage
    found.add(name, "delay: changes per second", measured.per_second, "")
    for percent in PERCENTILES:
        found.add(name, f"delay: p{percent}, ms", measured.milliseconds(percent))
    if usage.megabytes:
        found.add(name, "delay: processor time, % of a core", 100 * usage.seconds / measured.took)
        found.add(name, "delay: memory, MB", usage.megabytes)


def sample(system: System, watcher: Watcher, rate: float, seconds: float) -> Delays:
    """Return the delays of `rate` changes per second for `seconds`."""
    stories = [new_story() for _ in range(STORIES)]
    with system.selected(), system.running():
        for story in stories:
            story.save()
            system.saved(story)
        write(system, stories, rate, seconds * _WARM_SHARE)
        with watcher, Usage(system.pids) as usage:
            began = time.monotonic()
            commits = write(system, stories, rate, seconds)
            took = time.monotonic() - began
            system.wait(lambda: len(delays(commits, watcher.sights)) == len(commits), "a change")
        system.clear()
    return Delays(seen=delays(commits, watcher.sights), took=took, usage=usage)
