"""Replicas of one MongoDB database, and scenarios that need the rules of the replica."""

from collections.abc import Callable, Sequence
from typing import Any

from pymongo.client_session import ClientSession

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo.apply.direct import DirectBatch
from cdc.mongo.plan import Delivered, Plan
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from cdc.wire.records import TopicPartition
from tests.faults.watcher import Watcher
from tests.support.builders import ROUTES, SOURCE, change, delivered
from tests.support.mongodb import connected

OTHER = TopicPartition(SOURCE.topic, 1)


class World:
    """Replicas of one MongoDB database, and a watcher that takes a snapshot in `look`."""

    def __init__(self, settings: CdcSettings) -> None:
        self.client = connected(settings)
        self.settings = settings
        self._watcher = Watcher(settings.mongodb_uri, settings.mongodb_database)
        self.consumer("setup").prepare()

    def consumer(self, owner: str) -> MongoReplica:
        return MongoReplica(self.client, self.settings, ROUTES, owner, clock=SystemClock())

    def owner(self, name: str, source: TopicPartition = SOURCE) -> MongoReplica:
        replica = self.consumer(name)
        replica.take_over(source, "topic 1")
        return replica

    def look(self) -> None:
        self._watcher.look(self.client)

    def end(self, **rows: int) -> None:
        """Compare the last snapshot with the expected outbox ids, as in `s1=6` for story 1."""
        self._watcher.judge.end({int(name[1:]): (1, version) for name, version in rows.items()})

    @property
    def violations(self) -> list[str]:
        return self._watcher.judge.violations


Events = Sequence[tuple[str, int, int]]
"""Each event is an operation, the id of a story and an outbox id."""


def apply(world: World, replica: MongoReplica, events: Events, offset: int, **where: Any) -> bool:
    """Apply a batch and take a snapshot. Return whether the replica accepted the batch."""
    source = where.get("source", SOURCE)
    batch = [delivered(change(*event), source=source) for event in events]
    accepted = True
    try:
        replica.apply(batch, {source: offset})
    except Retryable:
        accepted = False
        replica.forget()
    world.look()
    return accepted


def a_replay_of_a_live_story(world: World) -> None:
    replica = world.owner("a")
    apply(world, replica, [("c", 1, 1)], 1)
    apply(world, replica, [("u", 1, 2)], 2)
    apply(world, replica, [("c", 1, 1)], 3)


def a_batch_with_an_old_event_last(world: World) -> None:
    replica = world.owner("a")
    apply(world, replica, [("c", 1, 1)], 1)
    apply(world, replica, [("u", 1, 5)], 2)
    apply(world, replica, [("u", 1, 6), ("u", 1, 3)], 3)
    world.end(s1=6)


def a_replay_of_a_deleted_story(world: World) -> None:
    replica = world.owner("a")
    apply(world, replica, [("c", 1, 1)], 1)
    apply(world, replica, [("d", 1, 2)], 2)
    apply(world, replica, [("c", 1, 1)], 3)


RECREATED = "topic 2"
LOG = [("c", 1, 1), ("c", 2, 2), ("c", 3, 3)]
"""The events of the recreated topic."""


def an_owner_resumed_late(world: World) -> None:
    """The old owner applies a batch of the old topic after the new owner has read the new topic."""
    old, new = world.owner("old"), world.consumer("new")
    new.take_over(SOURCE, RECREATED)
    apply(world, new, LOG[:1], 1)
    apply(world, old, LOG[:1], 2)
    _read_to_the_end(world)


def an_owner_resumed_before_the_new_topic_is_read(world: World) -> None:
    """The old owner applies a batch of the old topic before the new owner reads the new topic."""
    old = world.owner("old")
    world.consumer("new").take_over(SOURCE, RECREATED)
    apply(world, old, LOG[:1], 2)
    _read_to_the_end(world)


def _read_to_the_end(world: World) -> None:
    third = world.consumer("third")
    position = third.take_over(SOURCE, RECREATED)
    apply(world, third, LOG[position.next_offset or 0 :], len(LOG))
    world.end(s1=1, s2=2, s3=3)


def two_consumers_that_write_one_story(world: World) -> None:
    """One consumer inserts a story while another one applies its delete from another partition."""
    first, second = world.owner("first"), world.owner("second", OTHER)
    accepted: list[bool] = []

    def meanwhile() -> None:
        accepted.append(apply(world, second, [("d", 1, 2)], 1, source=OTHER))

    _before_the_commit_of(first, meanwhile)
    apply(world, first, [("c", 1, 1)], 1)
    if accepted == [False]:
        apply(world, world.owner("second again", OTHER), [("d", 1, 2)], 1, source=OTHER)
    world.end()


def _before_the_commit_of(replica: MongoReplica, meanwhile: Callable[[], None]) -> None:
    write, write_directly = replica._write, replica._direct.write

    def then(planned: Plan, batch: Sequence[Delivered], session: ClientSession, how: Any) -> None:
        write(planned, batch, session, how)
        meanwhile()

    def then_directly(batch: DirectBatch, session: ClientSession) -> None:
        write_directly(batch, session)
        meanwhile()

    replica._write = then  # type: ignore[method-assign]
    replica._direct.write = then_directly  # type: ignore[method-assign]


def an_old_update(world: World) -> None:
    replica = world.owner("a")
    apply(world, replica, [("c", 1, 1)], 1)
    apply(world, replica, [("u", 1, 3)], 2)
    apply(world, replica, [("u", 1, 2)], 3)


def an_update_of_an_absent_story(world: World) -> None:
    """The create is in a partition that another consumer reads later."""
    apply(world, world.owner("a"), [("u", 2, 5)], 1)
    world.end(s2=5)


def a_replay_of_a_deleted_story_alone(world: World) -> None:
    """Each batch is applied without a lookup, as after a restart of the consumer."""
    for number, event in enumerate([("c", 1, 1), ("d", 1, 2), ("c", 1, 1)]):
        apply(world, world.owner(f"a{number}"), [event], number + 1)


def an_old_delete(world: World) -> None:
    """The story was created again under its key, and this has already been applied."""
    replica = world.owner("a")
    apply(world, replica, [("c", 1, 1)], 1)
    apply(world, replica, [("u", 1, 3)], 2)
    apply(world, replica, [("d", 1, 2)], 3)
    world.end(s1=3)
