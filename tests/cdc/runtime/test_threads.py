"""Threads that other parts rely on survive an unexpected error, and their problems are known."""

import logging
import threading

import pytest

from cdc.errors import Rejected, Retryable
from cdc.runtime import telemetry, threads
from cdc.runtime.threads import attempt, explanation, start_thread, thread_problems


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_logged", {})
    # A thread of an earlier test may not have ended yet.
    monkeypatch.setattr(threads, "_problems", {})


ERRORS = [
    KeyError("x"),
    ValueError("odd"),
    RuntimeError("closed"),
    OSError(5, "I/O"),
    Rejected("a"),
]


def test_a_thread_is_restarted_after_every_error_until_it_returns() -> None:
    left = list(ERRORS)
    found: list[Retryable] = []
    problems: set[int] = set()

    def body() -> None:
        if left:
            raise left.pop(0)
        problems.add(len(thread_problems()))

    start_thread("worker", body, on_error=found.append).join(60)

    assert left == []
    assert len(found) == len(ERRORS)
    assert "'worker' failed and is restarted. Unexpected error (KeyError: 'x')" in str(found[0])
    assert problems == {1}, "one thread has one problem"
    assert thread_problems() == (), "it has ended"


def test_a_thread_that_was_stopped_is_not_restarted() -> None:
    stop = threading.Event()
    runs: list[int] = []

    def body() -> None:
        runs.append(1)
        stop.set()
        raise KeyError("x")

    start_thread("worker", body, stopped=stop.is_set).join(60)
    assert runs == [1]


def test_a_callback_that_fails_ends_no_thread() -> None:
    runs: list[int] = []

    def body() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise KeyError("x")

    def fail(error: Retryable) -> None:
        raise RuntimeError("the loop is closed") from error

    start_thread("worker", body, on_error=fail).join(60)
    assert len(runs) == 3


def test_a_thread_that_works_again_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [KeyError("x")]
    problems: list[tuple[str, ...]] = []

    def body() -> None:
        problems.append(thread_problems())
        if left:
            raise left.pop()
        monkeypatch.setattr(threads, "CALM_SECONDS", 0.0)
        problems.append(thread_problems())

    start_thread("worker", body).join(60)
    assert [len(found) for found in problems] == [0, 1, 0]


def _fail(left: list[KeyError]) -> None:
    raise left.pop()


def test_an_unexpected_error_is_logged_with_its_traceback_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = KeyError("x")
    with caplog.at_level(logging.ERROR):
        assert attempt("a", lambda: _fail([error])) is error
        attempt("a", lambda: _fail([error]))
        attempt("b", lambda: _fail([error]))
        attempt("c", lambda: None)
    logged = [item for item in caplog.records if item.message == telemetry.THREAD_FAILED]
    assert len(logged) == 2
    assert all(item.exc_info for item in logged)


def test_an_expected_error_is_returned_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    def body() -> None:
        raise Retryable("Kafka is down.")

    error = attempt("a", body)
    assert error is not None
    assert explanation(error) == "Kafka is down."
    assert caplog.records == []
