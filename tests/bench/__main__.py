"""Benchmark against the peer, or against another revision: `python -m tests.bench [options]`.

The peer is what a Django team would otherwise use: Debezium's MySQL connector and MongoDB's Kafka
sink in one Kafka Connect worker. The program starts MySQL, Kafka and mongod in a temporary folder,
lets one system after the other copy the same kind of table, and prints medians and ratios. No
result makes the benchmark fail: the exit code is 1 only after an error. If the peer cannot be
downloaded, the program prints the reason and measures the other systems. See docs/bench.md.
"""

import argparse
import sys
from importlib import import_module
from typing import Any

from pymongo import MongoClient

from project.stack.errors import StackError
from project.up.console import Console
from tests.bench.interruption import exit_on_signals
from tests.bench.options import parse
from tests.bench.results import Results
from tests.bench.servers import Started, started


def main() -> int:
    options = parse(None, __doc__)
    exit_on_signals()
    console = Console()
    try:
        with started(console, "bench") as servers:
            _measure(servers, options, console)
    except StackError as error:
        console.show(f"storyfeed bench: {error}")
        return 1
    return 0


def _measure(running: Started, options: argparse.Namespace, console: Console) -> None:
    found = Results(console, options.json, [f"Options: {' '.join(sys.argv[1:]) or 'none'}."])
    # Only after django.setup().
    systems = import_module("tests.bench.systems")
    with MongoClient[dict[str, Any]](running.mongod.uri, tz_aware=True) as client:
        servers = systems.Servers(
            folder=running.folder,
            env=running.env,
            client=client,
            console=console,
            pids=running.pids,
        )
        import_module(_program(options)).measure(servers, options, found)


def _program(options: argparse.Namespace) -> str:
    if options.against:
        return "tests.bench.against.revisions"
    if options.stages:
        return "tests.bench.stages.rounds"
    curves = options.growth or options.rates is not None
    return "tests.bench.growth.curves" if curves else "tests.bench.rounds"


if __name__ == "__main__":
    sys.exit(main())
