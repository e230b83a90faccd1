"""The systems that are compared. Each system copies a MySQL table to MongoDB."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from pymongo.collection import Collection

from project.stack.errors import StackError
from stories.models import Story
from tests.bench.databases import capturing, use
from tests.bench.stories import new_story

Replica = Collection[dict[str, Any]]
PATIENCE_SECONDS = 120.0


class System(ABC):
    """A system that copies a table. It does not run while another system is measured."""

    def __init__(
        self, title: str, database: str, topic: str, captured: bool, replica: Replica
    ) -> None:
        self.title, self.database, self.topic = title, database, topic
        self.captured = captured
        """Whether each write also writes to the outbox."""
        self.replica = replica

    @abstractmethod
    def start(self) -> None:
        """Start the processes, also after a kill. Do not wait until they are ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the processes, and wait until they have stopped."""

    @abstractmethod
    def kill(self) -> None:
        """Send SIGKILL to all processes of the system."""

    def hold(self) -> None:  # noqa: B027 -- optional
        """Pause the system until `release`: copy no changes, but keep the processes ready."""

    def release(self) -> None:  # noqa: B027 -- optional
        """Resume copying at once."""

    @abstractmethod
    def pids(self) -> Sequence[int]:
        """Return the process ids."""

    def saved(self, story: Story) -> None:  # noqa: B027 -- optional
        """Do the work that the system requires from the writer after each commit."""

    @contextmanager
    def selected(self) -> Iterator[None]:
        """Make the writes of this process go to the system's database."""
        use(self.database)
        with capturing(self.topic if self.captured else None):
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the system inside the block, which begins when the system has caught up."""
        try:
            self.start()
            self.catch_up()
            yield
        finally:
            self.stop()

    def catch_up(self) -> None:
        """Save a story, and wait until it is in MongoDB."""
        story = new_story()
        story.save()
        self.saved(story)
        wanted = {"diggs": story.diggs}
        self.wait(lambda: self.replica.find_one(wanted) is not None, "a first change")

    def clear(self) -> None:
        """Delete all stories, and wait until the replica is empty."""
        Story.objects.all().delete()
        self.wait(lambda: self.replica.find_one() is None, "the last delete")

    def wait(
        self,
        holds: Callable[[], bool],
        what: str,
        every: float = 0.05,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Call `holds` every `every` seconds until it returns true.

        Raise StackError after `patience` seconds; its message names the expected event, `what`.
        """
        deadline = time.monotonic() + patience
        while not holds():
            if time.monotonic() > deadline:
                raise StackError(
                    f"{self.title}: {what} did not occur within {patience:.0f} s: see its log."
                )
            time.sleep(every)


class TwoWrites(System):
    """The writer itself writes to MySQL and then to MongoDB; no replication can be faster."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def kill(self) -> None:
        """Nothing to kill."""

    def pids(self) -> Sequence[int]:
        return ()

    def saved(self, story: Story) -> None:
        fields = Story._meta.concrete_fields
        row = {str(field.column): getattr(story, field.attname) for field in fields}
        self.replica.replace_one({"_id": story.pk}, row, upsert=True)

    def clear(self) -> None:
        Story.objects.all().delete()
        self.replica.delete_many({})


def records(bootstrap_servers: str, topic: str, partitions: int) -> int:
    """Return the number of records ever written to a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "bench-count"})
    try:
        ends = (
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for number in range(partitions)
        )
        return sum(ends)
    finally:
        consumer.close()
