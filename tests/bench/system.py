"""The systems to compare, which copy a MySQL table to MongoDB."""

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
_PATIENCE_SECONDS = 120.0


class System(ABC):
    """A system with its own processes, which do not run while another is measured."""

    def __init__(
        self, title: str, database: str, topic: str, captured: bool, replica: Replica
    ) -> None:
        self.title, self.database, self.topic = title, database, topic
        self.captured = captured
        """Whether the writer also writes to the outbox."""
        self.replica = replica

    @abstractmethod
    def start(self) -> None:
        """Start copying, also after a kill; returns at once."""

    @abstractmethod
    def stop(self) -> None:
        """Stop copying; returns when it has stopped."""

    @abstractmethod
    def kill(self) -> None:
        """Send SIGKILL to all processes."""

    @abstractmethod
    def pids(self) -> Sequence[int]:
        """Return the ids of the processes."""

    def saved(self, story: Story) -> None:  # noqa: B027 -- optional
        """Do what the writer itself has to do after committing a story."""

    @contextmanager
    def selected(self) -> Iterator[None]:
        """Direct this process's writes to the database of this system."""
        use(self.database)
        with capturing(self.topic if self.captured else None):
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the system; the block begins once it has caught up."""
        self.start()
        try:
            self.catch_up()
            yield
        finally:
            self.stop()

    def catch_up(self) -> None:
        """Return when a change made now has arrived."""
        story = new_story()
        story.save()
        self.saved(story)
        wanted = {"diggs": story.diggs}
        self.wait(lambda: self.replica.find_one(wanted) is not None, "a first change")

    def clear(self) -> None:
        """Delete all stories; return when the replica is empty."""
        Story.objects.all().delete()
        self.wait(lambda: self.replica.find_one() is None, "the last delete")

    def wait(self, holds: Callable[[], bool], what: str, every: float = 0.05) -> None:
        """Return when `holds()` is true; raises StackError after two minutes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise StackError(f"{self.title}: {what} did not arrive; look at its log.")
            time.sleep(every)


class TwoWrites(System):
    """The lower bound for the delay: the writer writes to MySQL and then to MongoDB itself."""

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
    """Return how many records have been written to a topic since its creation."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "bench-count"})
    try:
        ends = (
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for number in range(partitions)
        )
        return sum(ends)
    finally:
        consumer.close()
