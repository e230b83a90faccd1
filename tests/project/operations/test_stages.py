"""The stages of the pipeline. A stage without a current measurement is never shown as healthy."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cdc.outbox.other_databases import OtherOutbox
from cdc.outbox.table import Depth
from cdc.status.facts import (
    CanaryStatus,
    ChangedColumns,
    LastReconcile,
    OpenGap,
    Paused,
    TableCount,
)
from cdc.status.verdict import Status
from project.operations.stages import Health, StageRenderer
from tests.support.status import healthy_status, lag

ARRIVED = CanaryStatus(
    sent_seconds_ago=3.0, started_seconds_ago=60.0, arrived_seconds_ago=3.0, seconds=0.012
)

UNEQUAL = LastReconcile(
    finished_at=datetime(2026, 1, 2, tzinfo=UTC), seconds_ago=9.0, equal=False, verdict=""
)
PAUSED = Paused(who="ann", at=datetime(2026, 1, 2, tzinfo=UTC), why="")
GAP = OpenGap(topic="story-events", partition=0, lost_from=3, resumed_at=6, at=PAUSED.at)
WAITING = {"outbox": Depth(rows=1, oldest_ms=0)}


def health(
    status: Status | None, renderer: StageRenderer | None = None, seconds: float = 0.0
) -> dict[str, Health]:
    stages = (renderer or StageRenderer()).stages(status, seconds)
    return {stage.name: stage.health for stage in stages}


def test_a_stage_without_a_fresh_reading_is_unknown() -> None:
    now = [100.0]
    renderer = StageRenderer(lambda: now[0])
    assert set(health(None, renderer).values()) == {Health.UNKNOWN}
    assert set(health(healthy_status(canary=ARRIVED), renderer).values()) == {Health.GOOD}
    now[0] = 160.0
    assert set(health(healthy_status(), renderer, 60.0).values()) == {Health.UNKNOWN}

    outage = healthy_status(tables=None, problems=("MongoDB is not responding.",))
    collections = renderer.stages(outage, 0.0)[4]
    assert collections.health is Health.UNKNOWN
    assert (collections.value, collections.note) == ("3", "last read 60 s ago")
    outbox = StageRenderer(lambda: now[0]).stages(healthy_status(), 12.0)[0]
    assert (outbox.health, outbox.note) == (Health.UNKNOWN, "last read 12 s ago")


def test_the_canary() -> None:
    late = replace(ARRIVED, arrived_seconds_ago=60.0)
    never = replace(ARRIVED, arrived_seconds_ago=None, seconds=None)
    stopped = replace(ARRIVED, sent_seconds_ago=60.0, arrived_seconds_ago=60.0)
    found = [health(healthy_status(canary=each))["Canary"] for each in (late, never, stopped)]
    assert found == [Health.BAD, Health.BAD, Health.UNKNOWN]


@pytest.mark.parametrize("arrived", [None, 3_600.0])
def test_the_first_canary_after_a_start_has_time_to_arrive(arrived: float | None) -> None:
    canary = replace(ARRIVED, arrived_seconds_ago=arrived, started_seconds_ago=30.0)

    stage = StageRenderer().stages(healthy_status(canary=canary), 0.0)[-1]

    assert (stage.health, stage.note) == (Health.BUSY, "sent, not yet arrived")
    late = replace(canary, started_seconds_ago=30.1)
    assert health(healthy_status(canary=late))["Canary"] is Health.BAD


@pytest.mark.parametrize(
    ("place", "missing", "waiting", "note"),
    [
        (1, {"relay": ""}, {**WAITING, "outbox_seconds": 4.0}, "no relay is running"),
        (3, {"consumers": 0}, {"lags": (lag(5, 4.0),)}, "no consumer is running"),
    ],
)
def test_a_missing_process_needs_attention_once_the_verdict_says_so(
    place: int, missing: dict[str, Any], waiting: dict[str, Any], note: str
) -> None:
    renderer = StageRenderer()
    renderer.stages(healthy_status(), 0.0)
    idle, late = healthy_status(**missing), healthy_status(**{**missing, **waiting})

    stages = [renderer.stages(each, 0.0)[place] for each in (idle, late)]

    assert [each.note for each in stages] == [note, note], "not the last process"
    assert [each.label for each in stages] == ["Not running", "Needs attention"]
    assert [idle.healthy, late.healthy] == [True, False]


@pytest.mark.parametrize(
    "doubt",
    [
        {"columns": (ChangedColumns(table="t", lacking=("a",), left_over=()),)},
        {"unverified": "A repair has not ended."},
        {"reconcile": UNEQUAL},
    ],
    ids=lambda doubt: next(iter(doubt)),
)
def test_collections_that_may_differ_are_never_healthy(doubt: dict[str, Any]) -> None:
    for status in (healthy_status(**doubt), healthy_status(**WAITING, **doubt)):
        assert health(status)["Collections"] is Health.BAD


def test_collections_that_were_not_counted_in_time_have_no_number() -> None:
    uncounted = (TableCount(table="t", rows=9, documents={"b": 9}, uncounted=("a",)),)
    for tables in (uncounted, (replace(uncounted[0], documents={}),)):
        *_, collections, _ = StageRenderer().stages(healthy_status(tables=tables), 0.0)
        assert (collections.health, collections.value) == (Health.UNKNOWN, "?")


def test_a_pause_is_the_only_cause_that_a_paused_pipeline_shows() -> None:
    unequal = (TableCount(table="t", rows=9, documents={"a": 4}),)
    status = healthy_status(paused=PAUSED, lags=(lag(5, 60.0),), tables=unequal)

    *_, topic, consumers, collections, _ = StageRenderer().stages(status, 0.0)

    assert (topic.label, topic.tone, topic.note) == (
        "Waiting",
        "info",
        "in 1 partition, the oldest record is 60.0 s old",
    )
    assert (consumers.label, consumers.tone) == ("Paused", "warn")
    assert (collections.label, collections.tone) == ("Waiting", "info")
    later = StageRenderer().stages(status, 60.0)[3]
    assert (later.label, later.tone) == ("Unknown", "neutral")


@pytest.mark.parametrize(
    ("seconds", "label"), [(0.1, "Healthy"), (2.0, "Healthy"), (2.1, "Catching up")]
)
def test_steady_traffic_does_not_change_the_state_of_a_stage(seconds: float, label: str) -> None:
    unequal = (TableCount(table="t", rows=9, documents={"a": 8}),)
    one = Depth(rows=1, oldest_ms=0)
    status = healthy_status(
        outbox=one, outbox_seconds=seconds, lags=(lag(1, seconds),), tables=unequal
    )

    outbox, _, topic, _, collections, _ = StageRenderer().stages(status, 0.0)

    assert [each.label for each in (outbox, topic, collections)] == [label] * 3
    assert f"{outbox.value} {outbox.unit}" == "1 change queued"


@pytest.mark.parametrize(
    "change",
    [
        {"lags": (replace(lag(1, 0.0), seconds=None),)},
        {"tables": (TableCount(table="t", rows=9, documents={"a": 4}),)},
    ],
    ids=["the age is unknown", "the difference is larger"],
)
def test_what_the_traffic_does_not_explain_is_catching_up(change: dict[str, Any]) -> None:
    unequal = (TableCount(table="t", rows=9, documents={"a": 8}),)
    status = healthy_status(**{"lags": (lag(1, 0.1),), "tables": unequal, **change})
    assert health(status)["Collections"] is not Health.GOOD


def test_each_stage_says_what_it_is_for() -> None:
    *stages, canary = StageRenderer().stages(healthy_status(), 0.0)
    assert all(stage.purpose.endswith(".") for stage in stages)
    assert canary.purpose == ""
    assert [f"{stage.value} {stage.unit}" for stage in stages] == [
        "0 changes queued",
        "1 active",
        "0 records queued",
        "2 running",
        "3 in each of 2 collections",
    ]
    assert stages[1].detail == "host:1", "the name of a process is a detail"


@pytest.mark.parametrize(
    ("changes", "place", "note"),
    [
        (
            {"other_outboxes": (OtherOutbox(database="old", rows=2, seconds=61.0),)},
            "Outbox",
            "changes wait in another database",
        ),
        (
            {"missing_topics": ("story-events",), "lags": ()},
            "Topic",
            "missing: story-events",
        ),
        ({"lags": (replace(lag(0, 0.0), recreated=True),)}, "Topic", "in 1 partition"),
        ({"lags": (replace(lag(0, 0.0), lost=True),)}, "Topic", "in 1 partition"),
        ({"gaps": (GAP,)}, "Topic", "in 1 partition"),
    ],
)
@pytest.mark.parametrize("paused", [None, PAUSED])
def test_a_queue_does_not_contradict_the_verdict(
    changes: dict[str, Any], place: str, note: str, paused: Paused | None
) -> None:
    status = healthy_status(**changes, paused=paused)
    assert not status.healthy
    (stage,) = (each for each in StageRenderer().stages(status, 0.0) if each.name == place)
    assert (stage.label, stage.note) == ("Needs attention", note)


def test_a_paused_topic_with_a_gap_needs_attention() -> None:
    status = healthy_status(paused=PAUSED, lags=(lag(5, 60.0),), gaps=(GAP,))
    assert health(status)["Topic"] is Health.BAD
