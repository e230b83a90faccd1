"""Tasks in a background thread."""

import threading

import pytest

from project.stack.errors import StackError
from project.up.background import Background


def test_it_is_done_when_the_task_is() -> None:
    gate = threading.Event()

    def wait() -> None:
        gate.wait()

    background = Background(wait)
    assert not background.done()
    assert not background.done_within(0.01)
    gate.set()
    assert background.done_within(60)


def test_the_error_of_the_task_is_raised() -> None:
    def fail() -> None:
        raise StackError("no network; try again")

    background = Background(fail)
    with pytest.raises(StackError, match="no network; try again"):
        background.done_within(60)


def test_an_unexpected_error_is_raised_too() -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    background = Background(fail)
    with pytest.raises(OSError, match="No space left"):
        background.done_within(60)
