"""Each rule of the replica is necessary: without it, the watcher reports a violation.

Every scenario runs on a real mongod, with all rules and without one of the rules.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pymongo import UpdateOne

from cdc.conf import CdcSettings
from cdc.mongo import plan as sink
from cdc.mongo import replica as replica_module
from cdc.mongo.apply import direct, owned_positions
from cdc.mongo.apply.direct import DirectWriter
from cdc.mongo.plan import Delivered, Known, Plan
from cdc.wire.event import Version
from tests.faults.scenarios import (
    World,
    a_batch_with_an_old_event_last,
    a_replay_of_a_deleted_story,
    a_replay_of_a_deleted_story_alone,
    a_replay_of_a_live_story,
    an_old_delete,
    an_old_update,
    an_owner_resumed_before_the_new_topic_is_read,
    an_owner_resumed_late,
    an_update_of_an_absent_story,
    two_consumers_that_write_one_story,
)

pytestmark = [pytest.mark.services, pytest.mark.faults]


@pytest.fixture
def world(feed_settings: CdcSettings) -> Iterator[World]:
    world = World(feed_settings)
    yield world
    world.client.drop_database(feed_settings.mongodb_database)
    world.client.close()


# Each function removes one rule.


def without_the_condition(patch: pytest.MonkeyPatch) -> None:
    """A write without a lookup replaces or deletes a document, whatever version it has."""
    patch.setattr(direct, "older", lambda key, _version: {"_id": key})


def without_the_check(patch: pytest.MonkeyPatch) -> None:
    """Many updates without a lookup are written whatever the versions of their documents are."""
    patch.setattr(DirectWriter, "_require", lambda *_: None)


def without_the_count(patch: pytest.MonkeyPatch) -> None:
    """A write without a lookup does not check how many documents met its condition."""
    patch.setattr(DirectWriter, "_run", _run_unchecked)


def without_the_direct_marker(patch: pytest.MonkeyPatch) -> None:
    """No marker is written without a lookup."""
    real = direct._statements

    def statements(table: Any) -> Any:
        return replace(real(table), markers=[], new_markers=[])

    patch.setattr(direct, "_statements", statements)


def _run_unchecked(
    writer: DirectWriter,
    command: str,
    collection: str,
    kind: str,
    statements: Sequence[Any],
    *rest: Any,
) -> None:
    if statements:
        writer._db.command(
            {command: collection, kind: statements, "ordered": True}, session=rest[-1]
        )


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


DIRECT_RULES: list[tuple[Removal, Scenario, str]] = [
    (without_the_condition, an_old_update, "went back"),
    (without_the_condition, an_old_delete, "story 1 ends as None"),
    (without_the_count, an_update_of_an_absent_story, "story 2 ends as None"),
    (without_the_direct_marker, a_replay_of_a_deleted_story_alone, "came back"),
    (without_the_direct_marker, two_consumers_that_write_one_story, "story 1 ends as (1, 1)"),
    (without_the_fence, an_owner_resumed_late, "story 2 ends as None"),
    (without_the_owner, an_owner_resumed_before_the_new_topic_is_read, "story 2 ends as None"),
]


MANY_UPDATES_RULES: list[tuple[Removal, Scenario, str]] = [
    (without_the_check, an_old_update, "went back"),
    (without_the_condition, an_old_update, "went back"),
]


def always_look_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replica_module, "direct_batch", lambda *_: None)


def rarely_look_up(patch: pytest.MonkeyPatch) -> None:
    """Try each batch without a lookup."""
    patch.setattr(replica_module, "_CAREFUL_BATCHES", 0)


def rarely_look_up_and_check_updates_together(patch: pytest.MonkeyPatch) -> None:
    rarely_look_up(patch)
    patch.setattr(direct, "_MOST_CONDITIONS", 0)


@pytest.mark.parametrize(
    ("way", "remove", "scenario", "violation"),
    [(always_look_up, *rule) for rule in RULES]
    + [(rarely_look_up, *rule) for rule in DIRECT_RULES]
    + [(rarely_look_up_and_check_updates_together, *rule) for rule in MANY_UPDATES_RULES],
)
def test_without_the_rule_a_violation_is_reported(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    way: Removal,
    remove: Removal,
    scenario: Scenario,
    violation: str,
) -> None:
    way(monkeypatch)
    remove(monkeypatch)
    scenario(world)

    assert violation in "; ".join(world.violations)


@pytest.mark.parametrize(
    "way", [always_look_up, rarely_look_up, rarely_look_up_and_check_updates_together]
)
@pytest.mark.parametrize(
    "scenario", list(dict.fromkeys(rule[1] for rule in (*RULES, *DIRECT_RULES)))
)
def test_with_all_rules_no_violation_is_reported(
    world: World, monkeypatch: pytest.MonkeyPatch, way: Removal, scenario: Scenario
) -> None:
    way(monkeypatch)
    scenario(world)

    assert world.violations == []
