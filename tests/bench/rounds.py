"""Compares all systems in rounds. Import this module only after Django is set up."""

import argparse
from collections.abc import Sequence

from tests.bench import backlog, delay, kill, writes
from tests.bench.alternation import rotated
from tests.bench.databases import create
from tests.bench.results import Results
from tests.bench.system import System, TwoWrites, records
from tests.bench.systems import (
    ONE,
    PARTITIONS,
    PEER,
    TABLE,
    THREE,
    Servers,
    ours,
    peer_worker,
    peers,
)

FLOOR = "two writes"
_WRITES = "bench_writes"
_RATIOS = ((ONE, PEER), (THREE, PEER), (ONE, FLOOR), (writes.CAPTURED, writes.PLAIN))


def measure(servers: Servers, options: argparse.Namespace, found: Results) -> None:
    """Measure everything and print the tables."""
    worker = peer_worker(servers)
    try:
        # Before the peer starts, because the peer reads each later definition of a table.
        create(_WRITES)
        systems = _own(servers)
        other = peers(servers, worker) if worker else []
        systems += other[:1]
        for number in range(options.rounds):
            servers.console.say(f"round {number + 1} of {options.rounds}")
            _round(servers, rotated(systems, number), options, found)
        # Last, because other settings need a restart of the worker, which is then cold.
        for system in other[1:] * options.rounds:
            delay.measure(system, servers.watcher(system), options.rate, options.seconds, found)
    finally:
        if worker is not None:
            worker.stop()
        # Show the values even if a later measurement failed.
        found.show(servers.about(peer=worker is not None), _RATIOS)


def _round(
    servers: Servers, systems: Sequence[System], options: argparse.Namespace, found: Results
) -> None:
    copiers = [system for system in systems if system.title != FLOOR]
    for system in systems:
        delay.measure(system, servers.watcher(system), options.rate, options.seconds, found)
    for system in copiers:
        backlog.measure(system, options.changes, found, servers.pids)
    writes.measure(_WRITES, options.saves, found)
    for system in copiers:
        kill.measure(
            system,
            servers.watcher(system),
            options.rate,
            options.seconds / 2,
            lambda topic: records(servers.bootstrap_servers, topic, PARTITIONS),
            found,
        )


def _own(servers: Servers) -> list[System]:
    floor = TwoWrites(FLOOR, "bench_floor", "", False, servers.client["bench_floor"][TABLE])
    create(floor.database)
    return [floor, ours(servers, ONE, "bench_one", [TABLE]), ours(servers, THREE, "bench_three")]
