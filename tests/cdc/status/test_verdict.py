"""The verdict names the cause of a problem and the remedy."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from cdc.outbox.other_databases import OtherOutbox
from cdc.outbox.table import Depth
from cdc.status.console import status_table
from cdc.status.facts import (
    ChangedColumns,
    LastReconcile,
    OpenGap,
    Paused,
    TableCount,
    Trouble,
)
from cdc.status.findings import Part, State
from cdc.status.latency import delays_of
from cdc.status.outage import outage
from tests.support.status import healthy_status, lag

MANY = TableCount(table="stories_story", rows=1_205, documents={"a": 1_205})
LACKING = TableCount(table="stories_story", rows=3, documents={"a": 3, "b": 2})
COMPARED = LastReconcile(
    finished_at=datetime(2026, 1, 2, tzinfo=UTC),
    seconds_ago=60.0,
    equal=False,
    verdict="3 rows compared, 1 document differs.",
)

GAP = OpenGap(
    topic="story-events",
    partition=3,
    lost_from=33,
    resumed_at=66,
    at=datetime(2026, 1, 2, tzinfo=UTC),
)
ADDED = ChangedColumns(table="stories_story", lacking=("language",), left_over=())
NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
FAILING = Trouble(
    process="relay host:1",
    error="Kafka refuses the message.",
    since=NOW - timedelta(seconds=60),
    attempts=9,
)
WAITING = {"outbox": Depth(rows=7, oldest_ms=1), "outbox_seconds": 3.0}


@pytest.mark.parametrize(
    ("changes", "healthy", "sentence"),
    [
        ({}, True, "In sync: 3 rows everywhere, counted but not yet compared field by field."),
        ({"reconcile": replace(COMPARED, equal=True)}, True, "In sync: 3 rows everywhere."),
        ({"tables": (MANY,)}, True, "In sync: 1,205 rows everywhere, counted"),
        ({"discarded": "The documents of 1 row may differ."}, False, "The documents of 1 row may"),
        (
            {"other_outboxes": (OtherOutbox(database="old", rows=2, seconds=61.0),)},
            False,
            (
                "2 changes in the outbox of the database 'old', the oldest for 61.0 s. Relays of "
                "the default database do not read this outbox: start a relay with the "
                "DATABASE_URL of the database 'old'."
            ),
        ),
        (
            {"problems": ("…",), "unreachable": ("Kafka",)},
            False,
            (
                "Kafka is not responding. 0 changes queued, none lost. Run `manage.py doctor` to "
                "find the cause."
            ),
        ),
        (WAITING, True, "7 changes in transit, the oldest for 3.0 s."),
        ({**WAITING, "relay": ""}, True, "7 changes in transit, the oldest for 3.0 s."),
        (
            {**WAITING, "outbox_seconds": 3.1, "relay": ""},
            False,
            "no relay is running: start `manage.py relay_outbox`.",
        ),
        ({**WAITING, "outbox_seconds": 10.0}, True, "7 changes in transit, the oldest for 10.0 s."),
        ({**WAITING, "outbox_seconds": 10.1}, False, "check the log of relay host:1."),
        (
            {**WAITING, "outbox_seconds": 7200.0, "troubles": (FAILING,)},
            False,
            "7 changes in the outbox, the oldest for 7200.0 s: relay host:1 has been failing for",
        ),
        (
            {"troubles": (FAILING,)},
            False,
            "Relay host:1 has been failing for 60 s (9 attempts): Kafka refuses the message.",
        ),
        ({"troubles": (replace(FAILING, since=NOW - timedelta(seconds=9)),)}, True, "In sync"),
        (
            {"lags": (lag(5, 4.0),), "consumers": 0},
            False,
            (
                "5 records in Kafka, the oldest for 4.0 s, and no consumer is running: "
                "start `manage.py consume_and_save_to_mongodb`."
            ),
        ),
        (
            {**WAITING, "gaps": (GAP,)},
            False,
            (
                "A gap in partition 3 of story-events: records were lost or skipped and may not "
                "have been applied. Run"
            ),
        ),
        (
            {"gaps": (GAP,), "lags": (replace(lag(0, 0.0, 1), lost=True),)},
            False,
            "A gap in partitions 1, 3 of story-events: ",
        ),
        (
            {
                "gaps": (
                    GAP,
                    replace(GAP, topic="orders"),
                    replace(GAP, topic="orders", partition=0),
                )
            },
            False,
            "A gap in partitions 0, 3 of orders and partition 3 of story-events: ",
        ),
        (
            {"abandoned_topics": ("old-events",)},
            False,
            "The topic old-events contains records that were not applied, and no model uses this ",
        ),
        (
            {"missing_topics": ("story-events",), "lags": ()},
            False,
            "The topic story-events does not exist in Kafka: correct KAFKA_TOPIC or KAFKA_",
        ),
        (
            {
                "tables": (
                    TableCount(table="stories_story", rows=3, documents={}, uncounted=("a",)),
                )
            },
            False,
            "Not verified: the documents of stories_story in a were not counted in time. `manage",
        ),
        (
            {"columns": (ADDED,)},
            False,
            (
                "Out of sync: documents of stories_story lack the column language. "
                "Run `manage.py reconcile --repair`."
            ),
        ),
        (
            {"columns": (replace(ADDED, lacking=(), left_over=("a", "b")),)},
            False,
            "documents of stories_story still have the columns a, b. Run `manage.py reconcile",
        ),
        (
            {"columns": (replace(ADDED, in_time=False),)},
            False,
            "Not verified: documents of stories_story may lack the column language. Run",
        ),
        ({**WAITING, "columns": (ADDED,)}, False, "Out of sync: documents of stories_story lack"),
        ({"columns": ()}, True, "In sync: 3 rows everywhere, counted"),
        ({"gaps": ()}, True, "In sync: 3 rows everywhere, counted"),
        ({"lags": (lag(5, 11.0),)}, False, "2 consumers are lagging. Check the logs"),
        (
            {"lags": (lag(5, 11.0),), "troubles": (replace(FAILING, process="consumer one"),)},
            False,
            "5 records in Kafka, the oldest for 11.0 s: consumer one has been failing for 60 s",
        ),
        (
            {"tables": (LACKING,)},
            False,
            "Out of sync: stories_story has 3 rows, but its collections have 2 or 3 documents.",
        ),
        (
            {**WAITING, "tables": (replace(LACKING, rows=100_000),)},
            False,
            "100,000 rows, but its collections have 2 or 3 documents, with 7 changes in transit.",
        ),
        ({**WAITING, "tables": (replace(LACKING, rows=9),)}, True, "7 changes in transit"),
        (
            {"moved": 1, "tables": (LACKING,)},
            True,
            "1 change in transit while the rows and the documents were counted.",
        ),
        ({"reconcile": COMPARED}, False, "Out of sync at the last reconciliation: 3 rows"),
        ({"unverified": "Outbox ids were"}, False, "Outbox ids were"),
        (
            {**WAITING, "unverified": "Outbox ids were reused."},
            False,
            "Outbox ids were reused.",
        ),
        (
            {"dead_letters": 2},
            False,
            "2 dead letters need a decision: see `manage.py dead_letters list`.",
        ),
    ],
)
def test_the_verdict(changes: dict[str, Any], healthy: bool, sentence: str) -> None:
    found = healthy_status(read_at=NOW, **changes)

    assert sentence in found.verdict
    assert found.healthy is healthy
    assert (found.state is State.HEALTHY) is healthy


def test_a_known_cause_precedes_its_consequences() -> None:
    paused = Paused(who="ann@people.example", at=NOW - timedelta(hours=2), why="an index")
    found = healthy_status(
        read_at=NOW,
        paused=paused,
        lags=(lag(5, 7200.0),),
        dead_letters=4,
        dead_letters_since=NOW - timedelta(days=1),
        gaps=(GAP,),
    )

    states = [each.state for each in found.findings]
    assert states == [State.PAUSED, State.RECORDS_LOST, State.DEAD_LETTERS]
    assert (found.state, found.since) == (State.PAUSED, paused.at)
    assert found.verdict.endswith(" Also: records lost, dead letters.")
    assert [each.since for each in found.findings[1:]] == [GAP.at, NOW - timedelta(days=1)]


def test_a_delay_names_its_parts_and_its_beginning() -> None:
    (found,) = healthy_status(**{**WAITING, "outbox_seconds": 11.0}, read_at=NOW).findings
    assert found.state is State.DELAYED
    assert found.parts == (Part.OUTBOX, Part.RELAY)
    assert found.since == NOW - timedelta(seconds=11)


def test_the_json_shape_is_the_documented_one() -> None:
    paused = Paused(who="ann@people.example", at=datetime(2026, 1, 2, tzinfo=UTC), why="")
    shape = healthy_status(delays=delays_of([0.1]), reconcile=COMPARED, paused=paused).as_json()

    assert set(shape) == {
        *("outbox", "outbox_seconds", "lags", "tables", "dead_letters", "counters", "problems"),
        *("relay", "consumers", "delays", "last_error", "reconcile"),
        *("paused", "in_kafka", "canary", "other_outboxes", "unreachable", "gaps", "columns"),
        *("waiting", "healthy", "verdict", "unverified", "state", "since", "findings", "discarded"),
        *("dead_letters_since", "moved", "troubles", "read_at", "missing_topics"),
        "abandoned_topics",
    }
    assert shape["reconcile"]["finished_at"] == "2026-01-02T00:00:00+00:00"
    assert shape["delays"] == {"changes": 1, "p50": 0.1, "p95": 0.1, "p99": 0.1}


def test_percentiles_are_measured_values() -> None:
    delays = delays_of([number / 100 for number in range(100, 0, -1)])

    assert (delays.changes, delays.p50, delays.p95, delays.p99) == (100, 0.5, 0.95, 0.99)
    assert delays_of([]).p50 is None


def test_the_verdict_on_a_pause() -> None:
    paused = Paused(who="ann@people.example", at=datetime(2026, 1, 2, tzinfo=UTC), why="an index")
    held = healthy_status(**WAITING, lags=(lag(5, 60.0),), paused=paused)
    assert held.verdict == (
        "Consumers paused by ann@people.example on 2 Jan 2026, 00:00:00 UTC (an index). "
        "12 changes queued: resume the consumers on the Pipeline page."
    )
    assert not held.healthy


@pytest.mark.parametrize(
    ("changes", "queued"),
    [
        ({"lags": None}, "at least 7 changes queued"),
        ({"outbox": None, "lags": None, "in_kafka": 1}, "at least 1 change queued"),
        ({"outbox": None, "lags": None}, ""),
        ({"outbox": None}, ""),
        ({"lags": (), "missing_topics": ("story-events",)}, "at least 7 changes queued"),
        ({"outbox": Depth(rows=0, oldest_ms=None), "lags": None}, ""),
        (
            {"outbox": Depth(rows=0, oldest_ms=None), "lags": None, "in_kafka": 0},
            "0 changes queued",
        ),
        ({"lags": None, "in_kafka": 3}, "10 changes queued"),
        ({"outbox": None, "lags": None, "in_kafka": 3}, "at least 3 changes queued"),
    ],
)
def test_the_queue_is_counted_as_far_as_it_is_known(changes: dict[str, Any], queued: str) -> None:
    assert healthy_status(**{**WAITING, **changes}).queued == queued


@pytest.mark.parametrize(
    ("services", "queued", "seconds", "verdict"),
    [
        (["MongoDB"], "84 changes queued", 38.9, "MongoDB unreachable for at least 38 s. 84 chang"),
        (["the database", "Kafka"], "", 0.0, "The database and Kafka are not responding. Run `"),
        ([], "", 0.5, "A service is not responding. Run `"),
    ],
)
def test_the_verdict_during_an_outage(
    services: list[str], queued: str, seconds: float, verdict: str
) -> None:
    assert outage(services, queued, seconds).startswith(verdict)


DATABASE_DOWN = {"problems": ("…",), "unreachable": ("the database",), "outbox": None}


@pytest.mark.parametrize(
    ("changes", "others"),
    [
        ({"gaps": None}, ""),
        ({"gaps": (GAP,)}, " Also: records lost."),
        ({"lags": (replace(lag(0, 0.0), lost=True),)}, " Also: records lost."),
        ({"lags": (replace(lag(0, 0.0), recreated=True),)}, " Also: records lost."),
        ({"lags": (), "missing_topics": ("story-events",)}, " Also: records lost."),
    ],
)
def test_an_outage_loses_nothing_only_if_this_is_known(
    changes: dict[str, Any], others: str
) -> None:
    queued = {**WAITING, "problems": ("…",), "unreachable": ("MongoDB",), **changes}
    counted = "At least 7" if "missing_topics" in changes else "7"
    rest = f"Run `manage.py doctor` to find the cause.{others}"
    expected = f"MongoDB is not responding. {counted} changes queued. {rest}"
    assert healthy_status(**queued).verdict == expected
    empty = healthy_status(**DATABASE_DOWN, **changes)
    assert empty.verdict == f"The database is not responding. {rest}"
    assert empty.verdict_after(4.2).endswith(f"unreachable for at least 4 s. {rest}")


def test_an_outage_without_a_loss_is_called_so() -> None:
    database = healthy_status(**DATABASE_DOWN)
    kafka = healthy_status(**WAITING, lags=None, problems=("…",), unreachable=("Kafka",))
    assert "is not responding. No saved change is lost. Run" in database.verdict
    assert "is not responding. At least 7 changes queued, none lost. Run" in kafka.verdict


def test_a_gap_is_shown() -> None:
    shape = healthy_status(gaps=(GAP,)).as_json()
    assert list(shape["gaps"]) == [
        {
            "topic": "story-events",
            "partition": 3,
            "lost_from": 33,
            "resumed_at": 66,
            "at": "2026-01-02T00:00:00+00:00",
        }
    ]
    json.dumps(shape)
    output = StringIO()
    Console(file=output, width=200).print(status_table(healthy_status(gaps=(GAP,))))
    text = output.getvalue()
    gap = "gap: story-events 3, from offset 33, consumer resumed at offset 66, found on 2026-01-02"
    assert gap in text


def test_the_terminal_lists_the_columns_of_every_table() -> None:
    changed = (ADDED, replace(ADDED, table="toy_box", lacking=(), left_over=("a", "b")))
    text = StringIO()

    Console(file=text, width=200).print(status_table(healthy_status(columns=changed)))

    assert "columns lacking in documents of stories_story: language\n" in text.getvalue()
    assert "columns left over in documents of toy_box: a, b\n" in text.getvalue()
