"""The state of the pipeline on pages, with the duration of an outage."""

import threading
import time
from types import SimpleNamespace

import pytest

from cdc.errors import Retryable
from cdc.status.outage import OUTAGE_REMEDY
from cdc.status.verdict import Status
from project.pages.feed_state import FeedWatch
from project.pages.latest import Latest
from tests.support.latest import patient
from tests.support.status import healthy_status


def test_an_outage_is_timed_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    problem = "MongoDB is not responding: check that it is up."
    down = healthy_status(tables=None, gaps=None, problems=(problem,), unreachable=("MongoDB",))
    statuses = [down, down, healthy_status()]
    watch = FeedWatch()
    watch.latest = patient(lambda: statuses.pop(0), fresh=0)

    state = watch.state()
    queued = f"0 changes queued. {OUTAGE_REMEDY}"
    assert state.verdict == f"MongoDB is not responding. {queued}"
    assert (state.problems, state.healthy) == ((problem,), False)
    clock[0] += 8
    later = watch.state()
    assert later.verdict == f"MongoDB unreachable for at least 8 s. {queued}"
    assert later.since is None, "the outage may have begun before the first reading"
    healthy = watch.state()
    assert (healthy.verdict.partition(",")[0], healthy.since) == (
        "In sync: 3 rows everywhere",
        None,
    )


def test_a_reading_that_nobody_waited_for_ends_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    down = healthy_status(problems=("…",), unreachable=("MongoDB",))
    statuses = [down, healthy_status(), down]
    watch = FeedWatch()
    watch.__dict__["_reader"] = SimpleNamespace(read=lambda: statuses.pop(0))
    watch.latest = patient(watch._read, fresh=0)
    watch.state()
    clock[0] += 5
    watch.latest.get()
    clock[0] += 2
    assert watch.state().verdict.startswith("MongoDB is not responding.")


def test_the_verdict_during_an_outage_names_the_other_states() -> None:
    status = healthy_status(dead_letters=4, problems=("…",), unreachable=("Kafka",), lags=None)
    watch = FeedWatch()
    watch.latest = patient(lambda: status)
    assert watch.state().verdict == status.verdict
    assert status.verdict.endswith(" Also: dead letters.")


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
    assert state.verdict == f"A service is not responding. {OUTAGE_REMEDY}"
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
