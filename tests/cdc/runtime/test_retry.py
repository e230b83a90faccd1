"""Work that raised Retryable is done again after a wait."""

import pytest

from cdc.errors import Fatal, Retryable
from cdc.runtime.retry import backoff, run_until_stopped
from cdc.testing.twins import FakeClock


def test_a_retryable_error_is_reported_and_the_step_run_again() -> None:
    results: list[Exception | bool] = [Retryable("down"), Retryable("down"), True, False]
    reported: list[float] = []
    pauses: list[int] = []

    def step() -> bool:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    run_until_stopped(
        step,
        stopped=lambda: not results,
        on_retry=lambda _, delay: reported.append(delay),
        pause=lambda: pauses.append(1),
        clock=FakeClock(),
    )

    assert len(reported) == 2
    assert len(pauses) == 1


def test_any_other_error_ends_the_run() -> None:
    def step() -> bool:
        raise Fatal("cannot continue")

    with pytest.raises(Fatal):
        run_until_stopped(
            step,
            stopped=lambda: False,
            on_retry=lambda _error, _delay: None,
            pause=lambda: None,
            clock=FakeClock(),
        )


def test_waits_grow_to_one_second() -> None:
    assert backoff(0) <= 0.05
    assert all(0.5 <= backoff(failures) <= 1 for failures in (8, 50, 5000))
