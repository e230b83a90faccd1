"""Replayed messages, a rewind, a new epoch and a recreated topic do no harm."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from django.core.management import call_command

from cdc.capture.resend import send_state
from cdc.conf import CdcSettings
from cdc.kafka.topics import Topics
from cdc.mongo.positions import Positions
from cdc.registry import registry
from stories.models import Story
from tests.faults.conftest import captured_into
from tests.faults.crew import COSTLY_SECONDS, Crew, wait_until
from tests.faults.topic import disorder
from tests.faults.traffic import STORIES, Traffic, clear_outbox_log, logged
from tests.faults.watcher import Watcher
from tests.support.commands import retried
from tests.support.equality import replica_content
from tests.support.mongodb import connected

pytestmark = [pytest.mark.services, pytest.mark.faults]


class Scene:
    """A crew under traffic."""

    def __init__(self, settings: CdcSettings, crew: Crew, traffic: Traffic) -> None:
        self.settings, self.crew, self.traffic = settings, crew, traffic
        self.topics = Topics(settings)
        self.positions = Positions(connected(settings), settings)

    def settle(self) -> None:
        with self.traffic.paused():
            self.crew.wait_until_equal()

    def write_on(self, writes: int = 60) -> None:
        target = self.traffic.written + writes
        wait_until(lambda: self.traffic.written > target, "the writers continue")

    def applied(self) -> int:
        """Return the number of offsets that the consumers have passed in the captured topic."""
        positions = self.positions.all().items()
        return sum(offset for source, offset in positions if source.topic == self.settings.topic)

    def wait_until_taken_over(self) -> None:
        """Wait until the consumers have taken over every partition of the recreated topic.

        They compare the topics' ids every 2 s. Until then, they may read the new topic from the old
        positions, and the copy may be equal by chance.
        """
        what = "the recreated topic is taken over"
        wait_until(self._is_taken_over, what, every=COSTLY_SECONDS)

    def _is_taken_over(self) -> bool:
        # A consumer that was suspended may have lost its membership and ended: restart it.
        self.crew.tend()
        topic = self.settings.topic
        topic_id = retried(partial(self.topics.topic_id, topic))
        stored = self.positions.stored().items()
        found = [at.topic_id for source, at in stored if source.topic == topic]
        return found == [topic_id] * self.settings.partitions

    def delete_topic(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.settings.bootstrap_servers})
        for future in admin.delete_topics([self.settings.topic], operation_timeout=60).values():
            future.result(60)

    def create_topic(self) -> None:
        # Kafka reports a deletion before it is complete.
        wait_until(self._exists, "the topic is recreated")

    def _exists(self) -> bool:
        retried(partial(self.topics.ensure, self.settings.topic))
        found = retried(partial(self.topics.partitions, self.settings.topic))
        return len(found) == self.settings.partitions


@pytest.fixture
def scene(feed_settings: CdcSettings, module_database: None, tmp_path: Path) -> Iterator[Scene]:
    call_command("flush", interactive=False, verbosity=0)
    clear_outbox_log()
    with captured_into(feed_settings.topic), ExitStack() as stack:
        crew = Crew(feed_settings, tmp_path, relays=2, consumers=2)
        stack.callback(crew.kill)
        crew.wait_until_ready()
        with Watcher(feed_settings.mongodb_uri, feed_settings.mongodb_database) as watcher:
            with Traffic() as traffic:
                yield Scene(feed_settings, crew, traffic)
            crew.wait_until_equal()
        assert watcher.looks > 10
        assert watcher.judge.violations == []


def old_messages(settings: CdcSettings, number: int) -> list[Message]:
    consumer = Consumer(
        {"bootstrap.servers": settings.bootstrap_servers, "group.id": f"{settings.group}-old"}
    )
    consumer.assign([TopicPartition(settings.topic, n, 0) for n in range(settings.partitions)])
    messages: list[Message] = []

    def read() -> bool:
        messages.extend(consumer.consume(number, 0.5))
        return len(messages) >= number

    wait_until(read, f"{number} old messages are read")
    consumer.close()
    return messages[:number]


def replay_by_hand(scene: Scene) -> None:
    producer = Producer({"bootstrap.servers": scene.settings.bootstrap_servers})
    for message in old_messages(scene.settings, 100):
        producer.produce(
            scene.settings.topic,
            message.value(),
            message.key(),
            partition=message.partition() or 0,
        )
    assert producer.flush(60) == 0


def rewind_to_the_start(scene: Scene) -> None:
    for source in scene.positions.all():
        scene.positions.move(source, 0, "a test")


def flush_the_database(scene: Scene) -> None:
    with scene.traffic.paused():
        call_command("flush", interactive=False, verbosity=0)
    scene.write_on()
    with scene.traffic.paused():
        send_everything(scene.settings)


def send_everything(settings: CdcSettings) -> None:
    """Resend every story in the table and in the replica, as a repair does."""
    capture = registry.find(Story)
    assert capture is not None
    replicas = replica_content(settings.mongodb_uri, settings.mongodb_database)
    replicated = {key for replica in replicas for key in replica}
    send_state(capture, replicated | set(range(1, STORIES + 1)), using="default")


def test_nothing_goes_back(scene: Scene) -> None:
    """The disturbances follow one another, because each can change the effect of the next one."""
    scene.write_on(100)
    scene.settle()

    replay_by_hand(scene)
    scene.write_on()
    scene.settle()

    rewind_to_the_start(scene)
    scene.write_on()
    with scene.traffic.paused():
        scene.crew.wait_until_equal()
        assert disorder(scene.settings, logged) == []

    flush_the_database(scene)
    scene.settle()
    scene.write_on()
    scene.settle()


def test_a_recreated_topic_is_read_from_its_start(scene: Scene) -> None:
    scene.write_on(100)
    with scene.traffic.paused():
        scene.crew.wait_until_equal()
        scene.delete_topic()
    scene.write_on(20)
    scene.create_topic()
    scene.write_on()
    scene.wait_until_taken_over()
    scene.settle()

    logs = "".join(member.daemon.log for member in scene.crew.consumers)
    assert "partition.recreated" in logs


def test_a_recreated_topic_that_outgrew_the_old_one_is_read_from_its_start(scene: Scene) -> None:
    scene.write_on(30)
    with scene.traffic.paused():
        scene.crew.wait_until_equal()
        before = scene.applied()
        for consumer in scene.crew.consumers:
            consumer.daemon.pause()
        scene.delete_topic()
        scene.create_topic()
        with Traffic() as more:
            wait_until(lambda: more.written > 3 * before, "the topic grows")
    for consumer in scene.crew.consumers:
        consumer.daemon.resume()
    scene.wait_until_taken_over()
    scene.settle()

    wait_until(lambda: scene.applied() > before, "the grown topic is read")
