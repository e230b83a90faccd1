"""The state of the pipeline on pages, with the duration of an outage."""

import threading
import time

import pytest

from cdc.errors import Retryable
from cdc.status.findings import OUTAGE_REMEDY
from cdc.status.verdict import Status
from project.pages.feed_state import FeedWatch
from project.pages.latest import Latest
from tests.support.latest import patient
from tests.support.status import healthy_status


def test_an_outage_is_timed_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    problem = "MongoDB is not responding: check that it is up."
    statuses = [
        healthy_status(tables=None, problems=(problem,), unreachable=("MongoDB",)),
        healthy_status(tables=None, problems=(problem,), unreachable=("MongoDB",)),
        healthy_status(),
    ]
    watch = FeedWatch()
    watch.latest = patient(lambda: statuses.pop(0), fresh=0)

    state = watch.state()
    queued = f"0 changes queued, none lost. {OUTAGE_REMEDY}"
    assert state.verdict == f"MongoDB is not responding. {queued}"
    assert (state.problems, state.healthy) == ((problem,), False)
    assert state.since is not None
    clock[0] += 38
    later = watch.state()
    assert later.verdict == f"MongoDB unreachable for 38 s. {queued}"
    assert later.since == state.since
    healthy = watch.state()
    assert (healthy.verdict.partition(",")[0], healthy.since) == (
        "In sync: 3 rows everywhere",
        None,
    )


def test_counts_of_an_old_status_are_not_shown() -> None:
    results: list[Status | None] = [healthy_status(), None]

    def read() -> Status:
        status = results.pop(0)
        if status is None:
            raise Retryable("Kafka is not responding.")
        return status

    watch = FeedWatch()
    watch.latest = patient(read, fresh=0)
    assert watch.state().healthy
    state = watch.state()
    assert state.verdict == f"A service is not responding. No saved change is lost. {OUTAGE_REMEDY}"
    assert (state.problems, state.healthy) == (("Kafka is not responding.",), False)


def test_a_first_reading_that_takes_long_is_no_outage() -> None:
    end = threading.Event()

    def read() -> Status:
        end.wait(60)
        return healthy_status()

    watch = FeedWatch()
    watch.latest = Latest(read, patience=0.01)
    state = watch.state()
    assert (state.state, state.problems, state.healthy) == (None, (), False)
    assert state.verdict == "The status has not been read yet."
    end.set()
    watch.latest._patience = 60
    assert watch.state().healthy
