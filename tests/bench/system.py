"""What is compared: systems that copy one MySQL table into MongoDB."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from pymongo.collection import Collection

from project.stack.errors import StackError
from stories.models import Story
from tests.bench.place import capturing, go_to
from tests.bench.stories import new_story

Replica = Collection[dict[str, Any]]
_PATIENCE_SECONDS = 120.0


class System(ABC):
    """One that copies; its processes are its own and do not run while another is measured."""

    def __init__(
        self, title: str, database: str, topic: str, captured: bool, replica: Replica
    ) -> None:
        self.title, self.database, self.topic = title, database, topic
        self.captured = captured
        """Whether the writer pays for an outbox."""
        self.replica = replica

    @abstractmethod
    def start(self) -> None:
        """Begin to copy, also after a kill; returns at once."""

    @abstractmethod
    def stop(self) -> None:
        """Return when it copies no more."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL to all that it consists of."""

    @abstractmethod
    def pids(self) -> Sequence[int]:
        """The process ids of what copies."""

    def saved(self, story: Story) -> None:  # noqa: B027 -- most do nothing here
        """The writer has committed this story: nothing more to do, the system finds it."""

    @contextmanager
    def chosen(self) -> Iterator[None]:
        """Within it this process writes where this system looks."""
        go_to(self.database)
        with capturing(self.topic if self.captured else None):
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within it the system copies, and has nothing left to copy when the block begins."""
        self.start()
        try:
            self.catch_up()
            yield
        finally:
            self.stop()

    def catch_up(self) -> None:
        """Return when a change that is made now has arrived."""
        story = new_story()
        story.save()
        self.saved(story)
        wanted = {"diggs": story.diggs}
        self.wait(lambda: self.replica.find_one(wanted) is not None, "a first change")

    def clear(self) -> None:
        """Delete all stories; return when their copies are gone as well."""
        Story.objects.all().delete()
        self.wait(lambda: self.replica.find_one() is None, "the last delete")

    def wait(self, holds: Callable[[], bool], what: str, every: float = 0.05) -> None:
        """Return when `holds()`; StackError when that takes two minutes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise StackError(f"{self.title}: {what} did not arrive; look at its log.")
            time.sleep(every)


class TwoWrites(System):
    """The floor: the writer itself writes to MySQL and then to MongoDB. Nothing can be sooner."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def kill(self) -> None:
        """Nothing to kill."""

    def pids(self) -> Sequence[int]:
        """None: the writer does it."""
        return ()

    def saved(self, story: Story) -> None:
        fields = Story._meta.concrete_fields
        row = {str(field.column): getattr(story, field.attname) for field in fields}
        self.replica.replace_one({"_id": story.pk}, row, upsert=True)

    def clear(self) -> None:
        Story.objects.all().delete()
        self.replica.delete_many({})


def records(bootstrap_servers: str, topic: str, partitions: int) -> int:
    """Return how many records were ever written to a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "bench-count"})
    try:
        ends = (
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for number in range(partitions)
        )
        return sum(ends)
    finally:
        consumer.close()
