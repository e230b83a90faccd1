"""`Latest`: the latest value of a slow function, for which no caller waits long."""

import threading
import time
from collections.abc import Callable

import pytest

from cdc.errors import Retryable
from project.pages.latest import Latest
from tests.support.latest import patient


def test_a_fresh_value_is_read_once() -> None:
    reads: list[int] = []

    def read() -> int:
        reads.append(1)
        return len(reads)

    latest = patient(read, fresh=60)
    assert [latest.get().value for _ in range(3)] == [1, 1, 1]
    assert latest.get().problem == ""


def test_an_old_value_is_read_again() -> None:
    values = iter([1, 2])
    latest = patient(lambda: next(values), fresh=0)
    assert [latest.get().value, latest.get().value] == [1, 2]


def test_a_slow_service_is_not_waited_for() -> None:
    end = threading.Event()
    latest = Latest(lambda: end.wait(60), fresh=0, patience=0.1)
    start = time.monotonic()
    readings = [latest.get(), latest.get()]
    assert time.monotonic() - start < 30
    end.set()
    assert [reading.value for reading in readings] == [None, None]
    assert readings[0].problem == "No response within 0.1 s."


def test_the_last_value_is_kept_with_the_problem() -> None:
    answers: list[int | Exception] = [7, Retryable("MongoDB is not responding.")]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    latest = patient(read, fresh=0)
    assert latest.get().value == 7
    reading = latest.get()
    assert (reading.value, reading.problem) == (7, "MongoDB is not responding.")


def test_a_slow_service_is_a_problem_once_its_last_value_is_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine, one slow answer must not look like an outage."""
    clock, end = [100.0], threading.Event()
    reads: list[int] = []

    def read() -> int:
        reads.append(1)
        if len(reads) > 1:
            end.wait(60)
        return len(reads)

    latest = Latest(read, fresh=0, patience=60, tolerance=5)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    assert latest.get().problem == ""
    monkeypatch.setattr(latest, "_patience", 0.0)

    clock[0] += 5
    reading = latest.get()
    assert (reading.value, reading.seconds, reading.problem) == (1, 5.0, "")
    clock[0] += 0.1
    assert latest.get().problem == "No response within 0 s."
    end.set()


@pytest.mark.parametrize(
    "error", [KeyError("x"), RuntimeError("Consumer closed"), ValueError(""), OSError(24, "files")]
)
def test_an_unexpected_error_is_a_problem_and_the_next_read_is_done(error: Exception) -> None:
    answers: list[int | Exception] = [error, 7]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    latest = patient(read, fresh=0)
    reading = latest.get()
    assert reading.value is None
    assert type(error).__name__ in reading.problem
    assert (latest.get().value, latest.get().problem == "") == (7, False), "no answer is left"


def test_a_source_that_always_takes_long_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of a large table take seconds. The pages must not show an outage in between."""
    clock, end = [100.0], threading.Event()
    reads: list[int] = []

    def read() -> int:
        clock[0] += 6
        reads.append(1)
        if len(reads) > 1:
            end.wait(60)
        return len(reads)

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    latest = Latest(read, fresh=0, patience=60, tolerance=5)
    assert latest.get().problem == ""
    monkeypatch.setattr(latest, "_patience", 0.0)

    latest.get()
    wait_for(lambda: len(reads) == 2)
    assert latest.get().problem == ""
    clock[0] += 5.1
    assert latest.get().problem == "No response within 0 s."
    end.set()


def wait_for(reached: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if reached():
            return
        threading.Event().wait(0.01)
    pytest.fail("timed out")
