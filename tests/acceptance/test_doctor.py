"""`manage.py doctor`, and daemons that do not start in a wrong environment."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from django.db import connection

from cdc.conf import CdcSettings
from tests.acceptance.conftest import STATUS_SECONDS, environment
from tests.support.commands import wait_until
from tests.support.mongodb import Standalone, running
from tests.support.paths import ROOT
from tests.support.processes import Daemon

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
CONSUME = ("consume_and_save_to_mongodb", "--instance", "one")


def doctor(
    settings: CdcSettings, folder: Path, *options: str, **changes: str
) -> "subprocess.CompletedProcess[str]":

    return subprocess.run(
        [sys.executable, "manage.py", "doctor", *options],
        cwd=ROOT,
        env={**os.environ, **environment(settings, folder), **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def wrong(done: "subprocess.CompletedProcess[str]") -> list[Any]:
    return [check for check in json.loads(done.stdout)["checks"] if check["level"] == "wrong"]


def test_a_running_pipeline_has_nothing_wrong(feed_settings: CdcSettings, tmp_path: Path) -> None:
    env = environment(feed_settings, tmp_path)
    daemons = [
        Daemon(tmp_path / "relay.log", env, "relay_outbox"),
        Daemon(tmp_path / "consumer.log", env, *CONSUME),
    ]
    try:
        daemons[1].wait_for("consumer.started")
        deadline = time.monotonic() + STATUS_SECONDS
        # A new process waits only a second for MongoDB; it may get no CPU time meanwhile.
        while wrong(done := doctor(feed_settings, tmp_path, "--json")):
            assert time.monotonic() < deadline, wrong(done)
    finally:
        for daemon in daemons:
            daemon.kill()
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode
    parts = {check["part"] for check in found["checks"]}
    assert parts == {"settings", "database", "kafka", "mongodb", "between"}
    assert all(check["id"].startswith(f"{check['part']}.") for check in found["checks"])


def test_each_result_is_one_line_with_its_remedy(
    feed_settings: CdcSettings, tmp_path: Path
) -> None:
    away = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "MONGODB_URI": "mongodb://127.0.0.1:1/"}
    done = doctor(feed_settings, tmp_path, **away)
    assert (done.returncode, done.stderr) == (2, "")
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "warning", "wrong"}
    assert any(line.startswith("wrong    kafka     Kafka could not describe") for line in lines)
    assert any(line.startswith("wrong    mongodb   MongoDB is not responding") for line in lines)
    assert any(line.startswith("ok       database") for line in lines)
    assert all(line.endswith(".") for line in lines)


def exits(settings: CdcSettings, folder: Path, *command: str, **changes: str) -> str:
    """Run a daemon that must not start, and return its only output line or the error in its log."""
    daemon = Daemon(folder / "daemon.log", {**environment(settings, folder), **changes}, *command)
    try:
        assert daemon.wait() == 2, daemon.log
    finally:
        daemon.kill()
    lines = daemon.log.splitlines()
    errors = [line for line in lines if "event=" not in line or "event=command.failed" in line]
    assert len(errors) == 1, daemon.log
    return errors[0]


DAEMONS = [("relay_outbox",), CONSUME, ("run_jobs",)]


@pytest.mark.parametrize("command", DAEMONS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"KAFKA_CONFIG": '{"sasl.mecanism": "PLAIN"}'}, "KAFKA_CONFIG has 'sasl.mecanism'"),
        ({"KAFKA_CONFIG": '{"acks": "1"}'}, "KAFKA_CONFIG sets 'acks'"),
        ({"KAFKA_CONFIG": '{"a": {"b": 1}}'}, "KAFKA_CONFIG has an object as the value of 'a'"),
        ({"KAFKA_CONFIG": '{"ssl.ca.location": "/missing"}'}, "which cannot be read"),
        ({"DATABASE_URL": "mysql://ann:a#b@db/feed"}, "DATABASE_URL cannot be split"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS has '*', which allows every name"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_wrong_setting_stops_each_daemon(
    feed_settings: CdcSettings,
    tmp_path: Path,
    command: tuple[str, ...],
    changes: Mapping[str, Any],
    sentence: str,
) -> None:
    assert sentence in exits(feed_settings, tmp_path, *command, **changes)


def test_a_standalone_mongodb_stops_the_consumer(
    feed_settings: CdcSettings, tmp_path: Path
) -> None:
    with running(Standalone(tmp_path / "mongod")) as server:
        uri = {"MONGODB_URI": f"mongodb://{server.address}/?replicaSet=rs0"}
        assert "a standalone mongod" in exits(feed_settings, tmp_path, *CONSUME, **uri)
        sentence = "wrong    mongodb   MONGODB_URI points to a standalone mongod"
        deadline = time.monotonic() + STATUS_SECONDS
        # The doctor waits only a second for the server, which may get no CPU time meanwhile.
        while sentence not in (done := doctor(feed_settings, tmp_path, **uri)).stdout:
            assert time.monotonic() < deadline, done.stdout
    assert done.returncode == 2


@pytest.mark.parametrize("command", DAEMONS[:2], ids=lambda command: command[0])
def test_more_replicas_than_brokers_stop_relay_and_consumer(
    feed_settings: CdcSettings, tmp_path: Path, command: tuple[str, ...]
) -> None:
    changes = {"KAFKA_REPLICATION_FACTOR": "3"}
    assert "KAFKA_REPLICATION_FACTOR" in exits(feed_settings, tmp_path, *command, **changes)


def test_a_problem_that_stops_no_daemon_is_logged(
    feed_settings: CdcSettings, tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": feed_settings.bootstrap_servers})
    settings = replace(feed_settings, partitions=2)
    admin.create_topics([NewTopic(settings.topic, 2, 1)])[settings.topic].result(60)
    relay = Daemon(tmp_path / "relay.log", environment(settings, tmp_path), "relay_outbox")
    try:
        relay.wait_for("kafka.cleanup_policy")
        relay.wait_for("kafka.partitions")
        assert relay.stop() == 0
    finally:
        relay.kill()


@pytest.mark.database
@pytest.mark.row_locks
@pytest.mark.parametrize("command", DAEMONS, ids=lambda each: each[0])
def test_a_table_without_transactions_stops_each_daemon(
    feed_settings: CdcSettings, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cdc_outbox ENGINE=MyISAM")
    try:
        assert "The table cdc_outbox has the engine MyISAM" in exits(
            feed_settings, tmp_path, *command
        )
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE cdc_outbox ENGINE=InnoDB")


def test_an_unreachable_service_is_asked_again(feed_settings: CdcSettings, tmp_path: Path) -> None:
    away = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    env = {**environment(feed_settings, tmp_path), **away}
    relay = Daemon(tmp_path / "relay.log", env, "relay_outbox")
    try:
        relay.wait_for("relay.retry")
        wait_until(lambda: relay.log.count("relay.retry") > 1, "a second attempt")
        assert relay.stop() == 0
    finally:
        relay.kill()


def test_every_topic_is_examined(feed_settings: CdcSettings, tmp_path: Path) -> None:
    names = (feed_settings.topic, f"{feed_settings.topic}-canary")

    def are_examined() -> bool:
        shown = doctor(feed_settings, tmp_path).stdout
        return all(f"The topic {name} does not exist" in shown for name in names)

    # The doctor waits only some seconds for Kafka, and may get no CPU time meanwhile.
    wait_until(are_examined, "both topics in the result", STATUS_SECONDS)
