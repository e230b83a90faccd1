"""Simulate relays that each publish one shard of the outbox: `python -m tests.bench.sharding`.

For each number of shards, the tables show how fast a backlog is copied, which part is then busiest,
and the delay at a rate. A percentage is the share of the time in which a part is busy; for relays
and consumers, it is that of the busiest one. The durations of all parts were measured on one
machine (measured.json); the machines of the cluster are assumptions. See docs/performance.md.
"""

import argparse
import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

from project.stack.errors import StackError
from project.up.console import Console
from tests.bench.interruption import exit_on_signals
from tests.bench.machine import machine
from tests.bench.options import numbers
from tests.bench.servers import started
from tests.bench.sharding import report
from tests.bench.sharding.cluster import Cluster, Load
from tests.bench.sharding.costs import MEASURED, read_costs, write_costs

_DATABASE = "sharding"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console()
    if options.measure:
        return _measure(options, console)
    _simulate(options, console)
    return 0


def _simulate(options: argparse.Namespace, console: Console) -> None:
    costs = read_costs(options.calibrate)
    cluster = Cluster(
        partitions=options.partitions,
        consumers=options.consumers,
        database_cores=options.database_cores,
        mongodb_cores=options.mongodb_cores,
        round_trip=options.round_trip / 1000,
    )
    changes = int(options.rate * options.seconds)
    load = Load(rate=options.rate, changes=changes, skew=options.skew, seed=options.seed)
    found = []
    for each in report.rows(load, cluster, costs, options.shards):
        console.say(" | ".join(each.cells()))
        found.append(each)
    console.show(f"\n{report.as_table(found)}\n")
    console.show(report.writers(load, costs))
    for line in report.resharding(load, cluster, costs, 2, 3):
        console.show(line)
    if options.json:
        content = {"options": sys.argv[1:], "results": [each.values() for each in found]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def _measure(options: argparse.Namespace, console: Console) -> int:
    exit_on_signals()
    more = {"KAFKA_TOPIC": _DATABASE, "MONGODB_DATABASE": _DATABASE, "CONSUMER_GROUP": _DATABASE}
    more["REPLICA_COLLECTIONS"] = "stories_story"
    try:
        with started(console, _DATABASE, **more) as servers:
            # Only after Django is set up.
            measuring = import_module("tests.bench.sharding.measure")
            costs = measuring.measure(servers, _DATABASE, console)
    except StackError as error:
        console.show(f"storyfeed bench: {error}")
        return 1
    about = [
        f"Measured on {time.strftime('%d %B %Y', time.gmtime())}.",
        f"Machine: {machine()}; load average {os.getloadavg()[0]:.1f}.",
    ]
    write_costs(options.json or Path("/dev/stdout"), costs, about)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.sharding",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, load, cluster = parser.add_argument, Load(), Cluster()
    add("--rate", type=float, default=load.rate, help="changes per second (default: 100000)")
    add("--seconds", type=float, default=2.0, help="seconds of changes (default: 2)")
    add("--shards", type=numbers, default=(1, 2, 4, 8, 16), help="default: 1,2,4,8,16")
    add(
        "--round-trip",
        type=float,
        default=cluster.round_trip * 1000,
        metavar="MS",
        help="the time to another machine and back, in ms (default: 0.5)",
    )
    add(
        "--skew",
        type=float,
        default=0.0,
        metavar="S",
        help="the exponent of Zipf's law for the keys (default: 0, all keys change equally often)",
    )
    for name in ("partitions", "consumers", "database_cores", "mongodb_cores"):
        default = getattr(cluster, name)
        add(f"--{name.replace('_', '-')}", type=int, default=default, help=f"default: {default}")
    add("--seed", type=int, default=load.seed, help="the seed of the changes (default: 1)")
    add(
        "--calibrate",
        type=Path,
        default=MEASURED,
        metavar="FILE",
        help="take the durations from FILE, as --measure writes it (default: measured.json)",
    )
    add("--measure", action="store_true", help="measure the durations; simulate nothing")
    add("--json", type=Path, metavar="FILE", help="write the results to FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
