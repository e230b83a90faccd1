"""What is retried, and when: work that raised Retryable, after a growing wait.

The daemons' main loop repeats a step that raised Retryable. `cdc.errors` defines which errors are
Retryable. All other errors end the process. Separately, `cdc.capture.resend` repeats transactions
that failed with an OperationalError, such as a deadlock.
"""

import random
from collections.abc import Callable

from cdc.errors import Retryable
from cdc.runtime.clock import Clock

_LONGEST_PAUSE = 1.0


def run_until_stopped(
    run_once: Callable[[], bool],
    *,
    stopped: Callable[[], bool],
    on_retry: Callable[[Retryable, float], None],
    pause: Callable[[], None],
    clock: Clock,
) -> None:
    """Call `run_once` until `stopped` returns True.

    If `run_once` returns True, it is called again at once. If it returns False, `pause` is called
    first. A Retryable error is passed to `on_retry` with the number of seconds until the next
    attempt, which grows to at most 1. Any other error is raised.
    """
    failures = 0
    while not stopped():
        try:
            more = run_once()
        except Retryable as error:
            delay = backoff(failures)
            failures += 1
            on_retry(error, delay)
            clock.sleep(delay)
            continue
        failures = 0
        if not more:
            pause()


def backoff(failures: int) -> float:
    """Return the seconds to wait after this many consecutive failures: at most 1, with jitter."""
    longest: float = min(_LONGEST_PAUSE, 0.05 * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1)  # noqa: S311 -- spreads retries; not for security
