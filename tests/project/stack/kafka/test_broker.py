"""A real Kafka broker: publishing and reading, a kill, a change of ports."""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from project.stack.errors import StackError
from project.stack.kafka.broker import Kafka
from project.stack.ports import free_port
from tests.support.commands import wait_until

pytestmark = pytest.mark.services


def new_kafka(home: Path) -> Kafka:
    return Kafka(home, free_port(), free_port())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder for all tests of the module. Each test uses other ports."""
    return tmp_path_factory.mktemp("kafka")


@pytest.fixture
def kafka(home: Path) -> Iterator[Kafka]:
    kafka = new_kafka(home)
    kafka.install()
    kafka.start()
    yield kafka
    kafka.stop()


def make_topic(kafka: Kafka, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(60)


def produce(kafka: Kafka, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "acks": "all"})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(60) == 0


def consume(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    values: list[bytes] = []
    deadline = time.monotonic() + 60
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            values.append(message.value() or b"")
    consumer.close()
    return values


def test_a_broker_that_is_down_does_not_answer_and_logs_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not new_kafka(tmp_path).answers()
    assert capfd.readouterr().err == ""


def test_messages_make_a_round_trip(kafka: Kafka) -> None:
    make_topic(kafka, "trip")
    produce(kafka, "trip", b"one", b"two")
    assert consume(kafka, "trip", 2) == [b"one", b"two"]


def test_data_survive_a_kill_and_a_change_of_ports(kafka: Kafka) -> None:
    make_topic(kafka, "kept")
    produce(kafka, "kept", b"before")
    kafka.kill()
    assert not kafka.alive
    again = new_kafka(kafka.folder)
    again.start()
    try:
        produce(again, "kept", b"after")
        assert consume(again, "kept", 2) == [b"before", b"after"]
    finally:
        again.stop()


def test_it_stops_at_once_and_with_a_quiet_log(kafka: Kafka) -> None:
    # A broker may register during its controller's activation. It logs an error and tries again.
    began = kafka.child.log.stat().st_size
    kafka.stop(60)
    assert kafka.child.exit_code == 143  # Java's exit code after SIGTERM
    assert b" ERROR " not in kafka.child.log.read_bytes()[began:]


def test_topics_are_not_created_automatically(kafka: Kafka) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "message.timeout.ms": 500})
    failed: list[object] = []
    producer.produce("typo", b"", on_delivery=lambda error, _: failed.append(error))
    producer.flush(60)
    assert failed[0] is not None


def test_a_damaged_data_folder_is_reported(kafka: Kafka) -> None:
    kafka.stop()
    properties = kafka.folder / "data" / "meta.properties"
    kept = properties.read_text()
    properties.write_text("version=9\n")
    try:
        with pytest.raises(StackError, match=r"kafka exited with code .*meta\.properties"):
            kafka.start()
    finally:
        properties.write_text(kept)


def test_a_format_failure_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("project.stack.kafka.broker.PROPERTIES", "process.roles=nothing\n")
    with pytest.raises(StackError, match=r"cannot be formatted .*process\.roles"):
        new_kafka(tmp_path).start()


def test_a_cluster_id_may_begin_with_a_dash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One random id in 64 begins with a dash. Kafka's tool must not read it as an option.
    monkeypatch.setattr("project.stack.kafka.broker.uuid.uuid4", lambda: UUID(int=0xF8 << 120))
    kafka = new_kafka(tmp_path)
    kafka.install()
    kafka.start()
    wait_until(kafka.answers, "the broker's answer")
    kafka.stop()


@pytest.mark.parametrize("folder", ["hü", "a#b", "a, b", "a%41;b", "a:b", "日本", "a\\b=c!"])
def test_the_path_of_the_folder_has_any_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    kafka = new_kafka(tmp_path / folder)
    kafka.install()
    kafka.start()
    wait_until(kafka.answers, "the broker's answer")
    kafka.stop()
    assert {path.name for path in tmp_path.iterdir()} == {folder}
    assert (tmp_path / folder / "data" / "meta.properties").exists()
