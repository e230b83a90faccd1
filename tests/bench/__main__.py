"""Benchmark against the peer, or against another revision: `python -m tests.bench [options]`.

The peer is what a Django team would otherwise use: Debezium's MySQL connector and MongoDB's Kafka
sink in one Kafka Connect worker. The program starts MySQL, Kafka and mongod in a temporary folder,
lets one system after the other copy the same kind of table, and prints medians and ratios. No
result makes the benchmark fail: the exit code is 1 only after an error. If the peer cannot be
downloaded, the program prints the reason and measures the other systems. See docs/bench.md.
"""

import argparse
import os
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
from tests.bench.interruption import exit_on_signals
from tests.bench.options import parse
from tests.bench.results import Results
from tests.support.servers import running


def main() -> int:
    options = parse(None, __doc__)
    exit_on_signals()
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
    client: MongoClient[dict[str, Any]] = MongoClient(mongod.uri, tz_aware=True)
    stack.enter_context(client)
    found = Results(console, options.json, [f"Options: {' '.join(sys.argv[1:]) or 'none'}."])
    # Only after django.setup().
    systems = import_module("tests.bench.systems")
    servers = systems.Servers(folder=folder, env=env, client=client, console=console)
    import_module(_program(options)).measure(servers, options, found)


def _program(options: argparse.Namespace) -> str:
    if options.against:
        return "tests.bench.against.revisions"
    curves = options.growth or options.rates is not None
    return "tests.bench.growth.curves" if curves else "tests.bench.rounds"


if __name__ == "__main__":
    sys.exit(main())
