"""A pipeline under traffic with a fault every few minutes. Imported after `django.setup`."""

import json
import os
import random
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cdc.operations import RECONCILE, ensure_job
from tests.faults.endurance.program import show
from tests.faults.endurance.sampler import Sampler
from tests.faults.endurance.series import Trend, not_judged
from tests.faults.endurance.visitor import Visitor
from tests.faults.schedule.cast import Size
from tests.faults.schedule.plan import Fault, Step, Targets, draw
from tests.faults.schedule.scene import Scene, acting, changes_logged, logged_stories, playing
from tests.faults.schedule.servers import DATABASE, KAFKA, MONGODB, Servers

_PROBE_RATE = 10
_LOOK_EVERY_SECONDS = 0.25
_JOB_EVERY = 5
"""A reconciliation is requested from the job process with every fifth fault."""
# The other relay, the other consumer, the web server and the job process run until the end.
_TARGETS = Targets(
    processes=("relay-1", "consumer-1"),
    servers=(f"{KAFKA}-1", f"{MONGODB}-primary", DATABASE),
    groups=(),
)
_LIVE_ON = ("relay", "consumer", "web", "jobs", KAFKA, MONGODB, DATABASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    minutes: float
    database: str
    rate: float
    """Changes per second that were committed."""
    faults: list[str]
    restarts: list[str]
    longest: float
    """The longest time in seconds from a commit until the change was visible."""
    looks: int
    """Snapshots of the collections that were checked."""
    duplicates: int
    answers: dict[int, int]
    """How often each status was received from the web server."""
    trends: list[Trend]
    wrong: list[str]


class Soak:
    """The course of one run."""

    def __init__(self, scene: Scene, options: Namespace) -> None:
        self._scene, self._options = scene, options
        self._began = time.monotonic()
        self.seconds = options.minutes * 60
        self.faults: list[str] = []

    def run(self) -> None:
        """Carry out the faults, and wait until the end of the run."""
        for number, fault in enumerate(self._faults(), 1):
            if number % _JOB_EVERY == 0:
                ensure_job(RECONCILE, {}, "stories", "a soak")
            due = self._began + number * self._options.fault_every
            self._scene.stage.run(Step(max(due - time.monotonic(), 0), (fault,)))
            self.faults.append(str(fault))
            show(self._progress(f"{fault}, fault {number}"))
        while time.monotonic() < self._began + self.seconds:
            self._scene.cast.tend()
            time.sleep(0.1)
        show(self._progress("the writers are stopped"))

    def _faults(self) -> list[Fault]:
        # The last fault is followed by a pause, too.
        count = int(self.seconds / self._options.fault_every - 0.5)
        return draw(random.Random(self._options.seed), count, _TARGETS)

    def _progress(self, what: str) -> str:
        took = time.monotonic() - self._began
        return (
            f"{took / 60:.1f} min: {what}; {changes_logged() / took:.0f} changes/s, longest lag "
            f"{self._scene.delays.longest:.1f} s, {len(self._scene.cast.crew.ended)} restarts, "
            f"load average {os.getloadavg()[0]:.1f}"
        )


def run(folder: Path, servers: Servers, options: Namespace) -> bool:
    """Return whether nothing grew, and whether the copy and the order of the events are correct."""
    size = Size(relays=2, consumers=2, jobs=1, rate=max(options.rate - _PROBE_RATE, 1))
    with (
        acting(folder, servers, options.seed, size) as cast,
        playing(cast, servers, _LOOK_EVERY_SECONDS) as scene,
        Visitor(cast.web_port) as visitor,
    ):
        scene.cast.start_writers()
        soak = Soak(scene, options)
        with Sampler(cast, servers) as sampler:
            try:
                soak.run()
            finally:  # a run that fails early also has figures to report
                trends = sampler.samples.trends(soak.seconds)
                for each in trends:
                    show(str(each))
        rate = changes_logged() / soak.seconds
        scene.stage.finish()
        wrong, records = scene.judged()
        result = Result(
            minutes=options.minutes,
            database=options.db,
            rate=round(rate, 1),
            faults=soak.faults,
            restarts=[f"{name}: {code}" for name, code in cast.crew.ended],
            longest=round(scene.delays.longest, 1),
            looks=scene.watcher.looks,
            duplicates=len(records) - len(logged_stories()),
            answers=dict(visitor.answers),
            trends=trends,
            wrong=wrong,
        )
    for line in _report(result):
        show(line)
    if options.json:
        series = sampler.samples.as_lists()
        options.json.write_text(json.dumps({**asdict(result), "series": series}))
    return not _failures(result)


def _report(result: Result) -> Iterator[str]:
    yield (
        f"{result.minutes:g} minutes on {result.database}, {result.rate:.1f} changes/s, "
        f"{len(result.faults)} faults, {len(result.restarts)} restarts, longest lag "
        f"{result.longest:.1f} s, {result.looks} snapshots, {result.duplicates} repeated records, "
        f"statuses of the web server: {result.answers}"
    )
    yield from _failures(result) or ["Nothing grew, and the copy and the order are correct."]


def _failures(result: Result) -> Sequence[str]:
    return [
        *(f"GROWS: {each}" for each in result.trends if each.grows),
        *(f"no {kind} was judged" for kind in not_judged(result.trends, _LIVE_ON)),
        *result.wrong,
    ]
