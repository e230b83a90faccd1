"""Benchmark against the peer: `python -m tests.bench [--rounds 3] [--rate 100] [--quick]`.

The peer is what a Django team would otherwise use: Debezium's MySQL connector and MongoDB's Kafka
sink in one Kafka Connect worker. The program starts MySQL, Kafka and mongod in a temporary folder,
lets one system after the other copy the same kind of table, and prints medians and ratios. No
result makes the benchmark fail: the exit code is 1 only after an error. If the peer cannot be
downloaded, the program prints the reason and measures the other systems. See docs/bench.md.
"""

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from pymongo import MongoClient

from project.stack.errors import StackError
from project.stack.kafka.broker import Kafka
from project.stack.mongod import Mongod
from project.stack.ports import free_port
from project.up.console import Console
from tests.__main__ import environment
from tests.support.servers import running

_QUICK = {"rounds": 1, "seconds": 4.0, "changes": 500, "saves": 50}


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console()
    try:
        with (
            tempfile.TemporaryDirectory(
                prefix="storyfeed-bench-", ignore_cleanup_errors=True
            ) as name,
            ExitStack() as stack,
        ):
            _measure(Path(name), options, console, stack)
    except StackError as error:
        console.show(f"storyfeed bench: {error}")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--rate", type=float, default=100.0, help="changes per second (default: 100)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="duration of a delay measurement (default: 15)"
    )
    parser.add_argument(
        "--changes", type=int, default=10_000, help="changes per backlog (default: 10000)"
    )
    parser.add_argument(
        "--saves", type=int, default=500, help="saves per writer measurement (default: 500)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round with few changes, as a trial"
    )
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(**_QUICK)
        options = parser.parse_args()
    return options


def _measure(folder: Path, options: argparse.Namespace, console: Console, stack: ExitStack) -> None:
    # The module needs mysqlclient, which `make run` does not install.
    mysql = import_module("project.stack.sql.mysql").MySQL(folder / "mysql", free_port())
    kafka = Kafka(folder / "kafka", port := free_port([mysql.port]), free_port([port]))
    mongod = Mongod(folder / "mongod", free_port([mysql.port, kafka.port, kafka.controller_port]))
    stack.enter_context(running([mysql, kafka, mongod], console))
    env = environment(
        folder,
        DATABASE_URL=mysql.url("bench"),
        DJANGO_SETTINGS_MODULE="project.settings",
        KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers,
        MONGODB_URI=mongod.uri,
        LOG_LEVEL="WARNING",
    )
    os.environ.update(env)
    django.setup()
    rounds = import_module("tests.bench.rounds")  # only after django.setup()
    client: MongoClient[dict[str, Any]] = MongoClient(mongod.uri, tz_aware=True)
    stack.enter_context(client)
    servers = rounds.Servers(
        folder=folder,
        env=env,
        mysql=mysql,
        kafka=kafka,
        mongod=mongod,
        client=client,
        console=console,
    )
    rounds.measure(servers, options)


if __name__ == "__main__":
    sys.exit(main())
