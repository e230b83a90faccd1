"""All measurements in their order; imported when Django is ready."""

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
from tests.bench import backlog, delay, strike, writes
from tests.bench.machine import machine, versions
from tests.bench.ours import Ours
from tests.bench.peer import Ends, Peer
from tests.bench.place import create
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
class Stage:
    """The servers, which all systems share."""

    folder: Path
    env: dict[str, str]
    mysql: MySQL
    kafka: Kafka
    mongod: Mongod
    client: MongoClient[dict[str, Any]]
    console: Console


def play(stage: Stage, options: argparse.Namespace) -> None:
    """Measure everything, and print one table."""
    stage.console.say(machine())
    found = Results(stage.console)
    worker = _worker(stage)
    try:
        systems = _own(stage)
        peers = _peers(stage, worker) if worker else []
        systems += peers[:1]
        create(_WRITES)
        for number in range(options.rounds):
            stage.console.say(f"round {number + 1} of {options.rounds}")
            # In turns, and not always in the same order.
            turn = number % len(systems)
            _round(stage, [*systems[turn:], *systems[:turn]], options, found)
        # By itself at the end: other settings need another, cold worker.
        for system in peers[1:] * options.rounds:
            delay.measure(system, _watcher(stage, system), options.rate, options.seconds, found)
    finally:
        if worker is not None:
            worker.stop()
        # Also of what was measured before something did not work.
        _show(stage, found, peer=worker is not None)


def _round(
    stage: Stage, systems: Sequence[System], options: argparse.Namespace, found: Results
) -> None:
    copiers = [system for system in systems if system.title != FLOOR]
    for system in systems:
        delay.measure(system, _watcher(stage, system), options.rate, options.seconds, found)
    for system in copiers:
        backlog.measure(system, options.changes, found)
    writes.measure(_WRITES, options.saves, found)
    for system in copiers:
        strike.measure(
            system,
            _watcher(stage, system),
            options.rate,
            options.seconds / 2,
            lambda topic: records(stage.kafka.bootstrap_servers, topic, PARTITIONS),
            found,
        )


def _watcher(stage: Stage, system: System) -> Watcher:
    return Watcher(stage.mongod.uri, system.database, TABLE)


def _own(stage: Stage) -> list[System]:
    floor = TwoWrites(FLOOR, "bench_floor", "", False, stage.client["bench_floor"][TABLE])
    create(floor.database)
    return [floor, _ours(stage, ONE, "bench_one", [TABLE]), _ours(stage, THREE, "bench_three")]


def _ours(stage: Stage, title: str, database: str, collections: Sequence[str] = ()) -> System:
    create(database)
    env = {
        **stage.env,
        "DATABASE_URL": stage.mysql.url(database),
        "KAFKA_TOPIC": database,
        "CONSUMER_GROUP": database,
        "MONGODB_DATABASE": database,
    }
    if collections:
        env["REPLICA_COLLECTIONS"] = ",".join(collections)
    return Ours(title, database, stage.client[database][TABLE], stage.folder, env)


def _worker(stage: Stage) -> Worker | None:
    worker = Worker(stage.folder / "connect", free_port(), stage.kafka.bootstrap_servers)
    try:
        worker.install()
    except StackError as error:
        stage.console.say(f"the peer is not measured: {error}")
        return None
    return worker


def _peers(stage: Stage, worker: Worker) -> list[System]:
    database = "bench_peer"
    create(database)
    ends = Ends(
        mysql_host=LOOPBACK,
        mysql_port=stage.mysql.port,
        mysql_user=USER,
        mysql_password=stage.mysql.password,
        bootstrap_servers=stage.kafka.bootstrap_servers,
        mongodb_uri=stage.mongod.uri,
    )
    replica = stage.client[database][TABLE]
    tuned = Peer(PEER, database, replica, worker, ends, tuned=True)
    shipped = Peer(SHIPPED, database, replica, worker, ends, tuned=False)
    # As many partitions as ours; and a sink that subscribes to no topic finds it minutes later.
    admin = AdminClient({"bootstrap.servers": stage.kafka.bootstrap_servers})
    new = NewTopic(tuned.topic, num_partitions=PARTITIONS, replication_factor=1)
    admin.create_topics([new])[tuned.topic].result(30)
    worker.connectors = tuned.connectors
    worker.start()
    with tuned.chosen():
        # Its snapshot of the empty table must be over before it is stopped for the first time.
        tuned.catch_up()
        tuned.clear()
    tuned.stop()
    stage.console.say(f"connect answers on {worker.address}")
    return [tuned, shipped]


def _show(stage: Stage, found: Results, *, peer: bool) -> None:
    mongodb = str(stage.client.server_info()["version"])
    told = [
        f"Machine: {machine()}.",
        f"Versions: {versions(stage.mysql.version(), mongodb, peer=peer)}.",
        "The median of the rounds; in brackets the lowest and the highest.",
    ]
    stage.console.show("\n".join(["", *told, "", found.tables(_RATIOS)]))
