"""Requests about a consumer group while the broker is down; they once ended the whole process."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.stack.kafka.broker import Kafka
from tests.support.commands import wait_until
from tests.support.kafka import OwnKafka, running
from tests.support.paths import ROOT

pytestmark = [pytest.mark.services, pytest.mark.faults]
PROGRAM = """
import sys
import time
from cdc.errors import Fatal, Retryable
from cdc.kafka.groups import Groups
from cdc.kafka.source import KafkaSource
from cdc.kafka.topics import Topics
from tests.support.commands import retried
from tests.support.feed_settings import without_servers

settings = without_servers(bootstrap_servers=sys.argv[1], topic="story-events", group="asked")
retried(lambda: Topics(settings).ensure(settings.topic))
source = KafkaSource(settings, [settings.topic], "one")
groups = Groups(settings)
while True:
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        try:
            source.poll(1, 0.1)
        except Fatal:  # Kafka removed the consumer: a supervisor would restart it.
            source.close()
            source = KafkaSource(settings, [settings.topic], "one")
    try:
        print(groups.members(settings.group), flush=True)
    except Retryable:
        print("none", flush=True)
"""


class Asking:
    """A process that joins a group and then asks for the number of its members."""

    def __init__(self, kafka: Kafka, log: Path) -> None:
        self._log = log
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, kafka.bootstrap_servers],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, answer: str) -> None:
        """Wait for a new answer; fail if the process ends."""
        seen = len(self._log.read_text())

        def answered() -> bool:
            text = self._log.read_text()
            assert self.process.poll() is None, text[-2000:]
            return answer in text[seen:].splitlines()

        wait_until(answered, f"the answer {answer!r}")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    with running(OwnKafka(tmp_path / "kafka")) as broker:
        yield broker


@pytest.fixture
def asking(kafka: Kafka, tmp_path: Path) -> Iterator[Asking]:
    asking = Asking(kafka, tmp_path / "answers")
    yield asking
    asking.process.kill()
    asking.process.wait()


def test_a_process_outlives_the_coordinator_of_a_group(kafka: Kafka, asking: Asking) -> None:
    asking.wait_for("1")
    for _ in range(2):
        kafka.kill()
        asking.wait_for("none")
        kafka.start()
        asking.wait_for("1")
