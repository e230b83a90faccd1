"""Measures the curves that the options select. Import this module only after Django is set up."""

import argparse
from collections.abc import Callable, Sequence

from tests.bench import delay
from tests.bench.alternation import rotated
from tests.bench.backlog import drain
from tests.bench.figures import PERCENTILES
from tests.bench.growth import saves
from tests.bench.options import BACKLOG
from tests.bench.ours import Ours
from tests.bench.results import Results
from tests.bench.system import System
from tests.bench.systems import ONE, TABLE, THREE, Servers, ours, peer_worker, peers
from tests.bench.worker import Worker

_Part = Callable[[Servers, argparse.Namespace, Results], None]


def measure(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    """Measure the curves and print the tables."""
    worker = peer_worker(servers) if options.rates else None
    try:
        if options.rates:
            _rates(servers, worker, options, found)
        for part in options.growth:
            servers.console.say(f"growth with the number of {part}")
            _PARTS[part](servers, options, found)
    finally:
        if worker is not None:
            worker.stop()
        found.show(servers.about(peer=worker is not None))


def _rates(
    servers: Servers, worker: Worker | None, options: argparse.Namespace, found: Results
) -> None:
    systems: list[System] = [
        ours(servers, ONE, "bench_one", [TABLE]),
        ours(servers, THREE, "bench_three"),
        *(peers(servers, worker)[:1] if worker else []),
    ]
    for number in range(options.rounds):
        servers.console.say(f"round {number + 1} of {options.rounds}, rates")
        for rate in options.rates:
            for system in rotated(systems, number):
                _delay(servers, system, rate, options.seconds, found)


def _delay(servers: Servers, system: System, rate: int, seconds: float, found: Results) -> None:
    measured = delay.sample(system, servers.watcher(system), rate, seconds)
    for percent in PERCENTILES:
        what = f"p{percent} by changes per second, ms: {rate:,}"
        found.add(system.title, what, measured.milliseconds(percent))
    what = f"processor time by changes per second, % of a core: {rate:,}"
    found.add(system.title, what, 100 * measured.usage.seconds / measured.took)
    found.add(
        system.title, f"written by changes per second, changes: {rate:,}", measured.per_second, ""
    )


def _consumers(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    counts = options.steps.consumers
    systems = [
        ours(servers, f"{count}", f"bench_consumers_{count}", [TABLE], count) for count in counts
    ]
    for system in _in_rounds(servers, systems, options.rounds):
        _drain(system, "backlog by consumers", options.changes, found)


def _collections(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    names = [TABLE, *(f"{TABLE}_{number}" for number in range(1, max(options.steps.collections)))]
    systems = [
        ours(servers, f"{count}", f"bench_collections_{count}", names[:count])
        for count in options.steps.collections
    ]
    for system in _in_rounds(servers, systems, options.rounds):
        _drain(system, "backlog by collections", options.changes, found)
        measured = delay.sample(system, servers.watcher(system), options.rate, options.seconds)
        for percent in PERCENTILES:
            what = f"delay by collections, ms: {system.title}"
            found.add(f"p{percent}", what, measured.milliseconds(percent))


def _backlog(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    system = ours(servers, ONE, "bench_backlog", [TABLE])
    for number in range(options.rounds):
        servers.console.say(f"round {number + 1} of {options.rounds}")
        for changes in options.steps.backlog:
            for drained in drain(system, changes):
                what = f"backlog by changes, changes per second: {changes:,}"
                found.add(drained.kind, what, drained.per_second, "higher")


def _in_rounds(servers: Servers, systems: Sequence[Ours], rounds: int) -> list[Ours]:
    servers.console.say(f"{rounds} rounds with {len(systems)} systems")
    return [system for number in range(rounds) for system in rotated(systems, number)]


def _drain(system: System, title: str, changes: int, found: Results) -> None:
    for drained in drain(system, changes):
        what = f"{title}, changes per second: {system.title}"
        found.add(drained.kind, what, drained.per_second, "higher")


_PARTS: dict[str, _Part] = {
    "consumers": _consumers,
    "collections": _collections,
    "stories": saves.measure,
    BACKLOG: _backlog,
}
