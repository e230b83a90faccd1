"""Runs all measurements in order. Import this module only after Django is set up."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pymongo import MongoClient

from project.stack.errors import StackError
from project.stack.kafka.broker import Kafka
from project.stack.mongod import Mongod
from project.stack.ports import LOOPBACK, free_port
from project.stack.sql.mysql import MySQL
from project.stack.sql.server import USER
from project.up.console import Console
from tests.bench import backlog, delay, kill, writes
from tests.bench.databases import create
from tests.bench.machine import machine, versions
from tests.bench.ours import Ours
from tests.bench.peer import Endpoints, Peer
from tests.bench.results import Results
from tests.bench.system import System, TwoWrites, records
from tests.bench.watcher import Watcher
from tests.bench.worker import Worker

TABLE = "stories_story"
PARTITIONS = 5
FLOOR, ONE, THREE, PEER, SHIPPED = "two writes", "ours, 1", "ours, 3", "peer", "peer as shipped"
_WRITES = "bench_writes"
_RATIOS = ((ONE, PEER), (THREE, PEER), (writes.CAPTURED, writes.PLAIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The servers that all systems share."""

    folder: Path
    env: dict[str, str]
    mysql: MySQL
    kafka: Kafka
    mongod: Mongod
    client: MongoClient[dict[str, Any]]
    console: Console


def measure(servers: Servers, options: argparse.Namespace) -> None:
    """Measure everything and print the tables."""
    servers.console.say(machine())
    found = Results(servers.console)
    worker = _worker(servers)
    try:
        systems = _own(servers)
        peers = _peers(servers, worker) if worker else []
        systems += peers[:1]
        create(_WRITES)
        for number in range(options.rounds):
            servers.console.say(f"round {number + 1} of {options.rounds}")
            # The order rotates, so that each system is first in turn.
            turn = number % len(systems)
            _round(servers, [*systems[turn:], *systems[:turn]], options, found)
        # Last, because other settings need a restart of the worker, which is then cold.
        for system in peers[1:] * options.rounds:
            delay.measure(system, _watcher(servers, system), options.rate, options.seconds, found)
    finally:
        if worker is not None:
            worker.stop()
        # Show the values even if a later measurement failed.
        _show(servers, found, peer=worker is not None)


def _round(
    servers: Servers, systems: Sequence[System], options: argparse.Namespace, found: Results
) -> None:
    copiers = [system for system in systems if system.title != FLOOR]
    for system in systems:
        delay.measure(system, _watcher(servers, system), options.rate, options.seconds, found)
    for system in copiers:
        backlog.measure(system, options.changes, found)
    writes.measure(_WRITES, options.saves, found)
    for system in copiers:
        kill.measure(
            system,
            _watcher(servers, system),
            options.rate,
            options.seconds / 2,
            lambda topic: records(servers.kafka.bootstrap_servers, topic, PARTITIONS),
            found,
        )


def _watcher(servers: Servers, system: System) -> Watcher:
    return Watcher(servers.mongod.uri, system.database, TABLE)


def _own(servers: Servers) -> list[System]:
    floor = TwoWrites(FLOOR, "bench_floor", "", False, servers.client["bench_floor"][TABLE])
    create(floor.database)
    return [floor, _ours(servers, ONE, "bench_one", [TABLE]), _ours(servers, THREE, "bench_three")]


def _ours(servers: Servers, title: str, database: str, collections: Sequence[str] = ()) -> System:
    create(database)
    env = {
        **servers.env,
        "DATABASE_URL": servers.mysql.url(database),
        "KAFKA_TOPIC": database,
        "CONSUMER_GROUP": database,
        "MONGODB_DATABASE": database,
    }
    if collections:
        env["REPLICA_COLLECTIONS"] = ",".join(collections)
    return Ours(title, database, servers.client[database][TABLE], servers.folder, env)


def _worker(servers: Servers) -> Worker | None:
    worker = Worker(servers.folder / "connect", free_port(), servers.kafka.bootstrap_servers)
    try:
        worker.install()
    except StackError as error:
        servers.console.say(f"skipping the peer: {error}")
        return None
    return worker


def _peers(servers: Servers, worker: Worker) -> list[System]:
    database = "bench_peer"
    create(database)
    endpoints = Endpoints(
        mysql_host=LOOPBACK,
        mysql_port=servers.mysql.port,
        mysql_user=USER,
        mysql_password=servers.mysql.password,
        bootstrap_servers=servers.kafka.bootstrap_servers,
        mongodb_uri=servers.mongod.uri,
    )
    replica = servers.client[database][TABLE]
    tuned = Peer(PEER, database, replica, worker, endpoints, tuned=True)
    shipped = Peer(SHIPPED, database, replica, worker, endpoints, tuned=False)
    # Create the topic first, because a sink notices a new topic only after minutes.
    admin = AdminClient({"bootstrap.servers": servers.kafka.bootstrap_servers})
    new = NewTopic(tuned.topic, num_partitions=PARTITIONS, replication_factor=1)
    admin.create_topics([new])[tuned.topic].result(30)
    worker.connectors = tuned.connectors
    worker.start()
    with tuned.selected():
        # The peer's snapshot of the empty table must be complete before its first stop.
        tuned.catch_up()
        tuned.clear()
    tuned.stop()
    servers.console.say(f"Kafka Connect listens on {worker.address}")
    return [tuned, shipped]


def _show(servers: Servers, found: Results, *, peer: bool) -> None:
    mongodb = str(servers.client.server_info()["version"])
    header = [
        f"Machine: {machine()}.",
        f"Versions: {versions(servers.mysql.version(), mongodb, peer=peer)}.",
        "Medians of the rounds, with the lowest and the highest value in brackets.",
    ]
    servers.console.show("\n".join(["", *header, "", found.tables(_RATIOS)]))
