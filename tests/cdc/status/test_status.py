"""The verdict names cause and remedy."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cdc.outbox.table import Depth
from cdc.status.latency import delays_of
from cdc.status.status import LastReconcile, PartitionLag, Paused, Status, TableCount

EQUAL = TableCount(table="stories_story", rows=3, documents={"a": 3, "b": 3})
LACKING = TableCount(table="stories_story", rows=3, documents={"a": 3, "b": 2})
COMPARED = LastReconcile(
    finished_at=datetime(2026, 1, 2, tzinfo=UTC),
    seconds_ago=60.0,
    equal=False,
    verdict="3 rows compared, 1 documents differ.",
)


def lag(records: int, seconds: float) -> PartitionLag:
    return PartitionLag(topic="story-events", partition=0, records=records, seconds=seconds)


def status(**changes: Any) -> Status:
    well: dict[str, Any] = {
        "outbox": Depth(rows=0, oldest_ms=None),
        "outbox_seconds": 0.0,
        "lags": (lag(0, 0.0),),
        "tables": (EQUAL,),
        "dead_letters": 0,
        "counters": {},
        "problems": (),
        "relay": "host:1",
        "consumers": 2,
    }
    return Status(**{**well, **changes})


WAITING = {"outbox": Depth(rows=7, oldest_ms=1), "outbox_seconds": 3.0}


@pytest.mark.parametrize(
    ("changes", "healthy", "sentence"),
    [
        ({}, True, "Nothing waits: table and collections hold the same number of rows."),
        ({"problems": ("Kafka could not …",)}, False, "not known in full: Kafka could not"),
        (WAITING, True, "7 changes are on their way, the oldest for 3.0 s."),
        ({**WAITING, "relay": ""}, False, "nobody publishes: start `manage.py relay_outbox`."),
        ({**WAITING, "outbox_seconds": 11.0}, True, "see what the relay host:1 writes in its log"),
        (
            {"lags": (lag(5, 1.0),), "consumers": 0},
            False,
            (
                "5 records wait in Kafka, the oldest for 1.0 s and nobody applies them: "
                "start `manage.py consume_and_save_to_mongodb`."
            ),
        ),
        ({"lags": (lag(5, 11.0),)}, True, "2 consumers catch up, or cannot go on"),
        ({"tables": (LACKING,)}, False, "3 rows and the copy 2 or 3 documents"),
        ({"reconcile": COMPARED}, False, "when last compared: 3 rows compared, 1 documents"),
        ({"dead_letters": 2}, True, "2 dead letters wait for a decision"),
    ],
)
def test_the_verdict(changes: dict[str, Any], healthy: bool, sentence: str) -> None:
    found = status(**changes)

    assert sentence in found.verdict
    assert found.healthy is healthy


def test_the_json_shape_is_the_documented_one() -> None:
    paused = Paused(who="ann@people.example", at=datetime(2026, 1, 2, tzinfo=UTC), why="")
    shape = status(delays=delays_of([0.1]), reconcile=COMPARED, paused=paused).as_json()

    assert set(shape) == {
        *("outbox", "outbox_seconds", "lags", "tables", "dead_letters", "counters", "problems"),
        *("relay", "consumers", "delays", "last_error", "reconcile"),
        *("paused", "in_kafka", "canary"),
        *("waiting", "healthy", "verdict"),
    }
    assert shape["reconcile"]["finished_at"] == "2026-01-02T00:00:00+00:00"
    assert shape["delays"] == {"changes": 1, "p50": 0.1, "p95": 0.1, "p99": 0.1}


def test_percentiles_are_delays_that_happened() -> None:
    delays = delays_of([number / 100 for number in range(100, 0, -1)])

    assert (delays.changes, delays.p50, delays.p95, delays.p99) == (100, 0.5, 0.95, 0.99)
    assert delays_of([]).p50 is None


def test_a_pause_is_named_with_who_when_why_and_what_waits() -> None:
    paused = Paused(who="ann@people.example", at=datetime(2026, 1, 2, tzinfo=UTC), why="an index")
    held = status(**WAITING, lags=(lag(5, 60.0),), paused=paused)
    assert held.verdict == (
        "The consumers were paused by ann@people.example at 2 Jan 2026, 00:00:00 UTC (an index): "
        "12 changes wait; resume them on the page /operations/."
    )
    assert not held.healthy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lags": None}, "at least 7 changes wait"),
        ({"outbox": None, "lags": None, "in_kafka": 1}, "at least 1 change waits"),
        ({"lags": None, "in_kafka": 3}, "10 changes wait"),
        ({"outbox": None, "lags": None, "in_kafka": 3}, "at least 3 changes wait"),
        ({"outbox": None, "lags": None}, ""),
    ],
)
def test_what_waits_is_said_as_far_as_it_is_known(changes: dict[str, Any], words: str) -> None:
    assert status(**{**WAITING, **changes}).known_waiting == words
