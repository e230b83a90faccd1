"""Each rule of the replica is necessary: without it, the watcher reports a violation.

Every scenario runs twice on a real mongod: with all rules, and without one of the rules.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.mongo import plan as sink
from cdc.mongo import replica as replica_module
from cdc.mongo.apply import owned_positions
from cdc.mongo.client import connect
from cdc.mongo.plan import Delivered, Known, Plan
from cdc.mongo.replica import MongoReplica
from cdc.runtime.loop import SystemClock
from cdc.wire.event import Version
from cdc.wire.records import TopicPartition
from tests.faults.watcher import Watcher
from tests.support.builders import ROUTES, SOURCE, change, delivered

pytestmark = [pytest.mark.services, pytest.mark.faults]

OTHER = TopicPartition(SOURCE.topic, 1)


class World:
    """Replicas of one MongoDB database, and a watcher that takes a snapshot in `look`."""

    def __init__(self, settings: CdcSettings) -> None:
        self.client = connect(settings)
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


@pytest.fixture
def world(feed_settings: CdcSettings) -> Iterator[World]:
    world = World(feed_settings)
    yield world
    world.client.drop_database(feed_settings.mongodb_database)
    world.client.close()


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
    write = replica._write

    def then(
        planned: Plan, batch: Sequence[Delivered], session: ClientSession, *, apart: bool
    ) -> None:
        write(planned, batch, session, apart=apart)
        meanwhile()

    replica._write = then  # type: ignore[method-assign]


# Each function removes one rule.


def without_the_look_up(patch: pytest.MonkeyPatch) -> None:
    """Every event counts as new, because the known versions are ignored."""
    real = sink.plan

    def plan(batch: Sequence[Delivered], known: Mapping[Any, Known], deleted: Any) -> Plan:
        blind = {key: Known(version=Version(0, 0), live=v.live) for key, v in known.items()}
        return real(batch, blind, deleted)

    patch.setattr(replica_module, "plan", plan)


def without_the_highest_version(patch: pytest.MonkeyPatch) -> None:
    """The last event of a story in the batch is applied, even if another event is newer."""
    patch.setattr(
        sink,
        "newest_by_row",
        lambda batch: list({(i.event.table, i.event.key): i for i in batch}.values()),
    )


def without_the_marker(patch: pytest.MonkeyPatch) -> None:
    """A delete writes no marker."""
    _patch_markers(patch, keep=lambda _writes, _marker: False)


def without_the_marker_of_an_insert(patch: pytest.MonkeyPatch) -> None:
    """An insert writes no marker, so it does not conflict with a delete."""
    _patch_markers(
        patch, keep=lambda writes, marker: marker["_id"] not in {i["_id"] for i in writes.inserts}
    )


def without_the_fence(patch: pytest.MonkeyPatch) -> None:
    """A position moves whatever its offset and its owner are."""
    _patch_condition(patch, lambda condition: {"_id": condition["_id"]})


def without_the_owner(patch: pytest.MonkeyPatch) -> None:
    """A position moves if its offset is as expected, whatever its owner is."""
    _patch_condition(
        patch, lambda condition: {name: condition[name] for name in ("_id", "next_offset")}
    )


def _patch_markers(
    patch: pytest.MonkeyPatch, keep: Callable[[sink.Writes, sink.Document], bool]
) -> None:
    real = sink.plan

    def plan(*arguments: Any) -> Plan:
        planned = real(*arguments)
        for writes in planned.writes.values():
            writes.markers = [marker for marker in writes.markers if keep(writes, marker)]
        return planned

    patch.setattr(replica_module, "plan", plan)


def _patch_condition(
    patch: pytest.MonkeyPatch, change_it: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    def update_one(condition: dict[str, Any], update: Any, **options: Any) -> UpdateOne:
        return UpdateOne(change_it(condition), update, **options)

    patch.setattr(owned_positions, "UpdateOne", update_one)


Removal = Callable[[pytest.MonkeyPatch], None]
Scenario = Callable[[World], None]
RULES: list[tuple[Removal, Scenario, str]] = [
    (without_the_look_up, a_replay_of_a_live_story, "went back"),
    (without_the_highest_version, a_batch_with_an_old_event_last, "story 1 ends as (1, 5)"),
    (without_the_marker, a_replay_of_a_deleted_story, "came back"),
    (
        without_the_marker_of_an_insert,
        two_consumers_that_write_one_story,
        "story 1 ends as (1, 1)",
    ),
    (without_the_fence, an_owner_resumed_late, "story 2 ends as None"),
    (without_the_owner, an_owner_resumed_before_the_new_topic_is_read, "story 2 ends as None"),
]


@pytest.mark.parametrize(("remove", "scenario", "violation"), RULES)
def test_without_the_rule_a_violation_is_reported(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    remove: Removal,
    scenario: Scenario,
    violation: str,
) -> None:
    remove(monkeypatch)
    scenario(world)

    assert violation in "; ".join(world.violations)


@pytest.mark.parametrize("scenario", [rule[1] for rule in RULES])
def test_with_all_rules_no_violation_is_reported(world: World, scenario: Scenario) -> None:
    scenario(world)

    assert world.violations == []
