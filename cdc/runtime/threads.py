"""Background threads that survive unexpected errors, and reports of their problems.

`attempt` is the only code that catches every error. Use it where an unexpected error would silently
end a thread on which other parts rely.
"""

import logging
import threading
import time
from collections.abc import Callable

from cdc.errors import CdcError, Retryable
from cdc.runtime import telemetry
from cdc.runtime.retry import backoff

CALM_SECONDS = 10.0
"""A thread that has not failed for this time is considered healthy again."""
_REPEAT_SECONDS = 30.0
"""The traceback of a thread that fails repeatedly is logged at this interval."""
_log = logging.getLogger(__name__)
_problems: dict[int, tuple[float, str]] = {}
"""For each running thread that has failed, the time and the error of the failure."""
_logged: dict[str, float] = {}


def attempt(
    name: str, body: Callable[[], object], expected: tuple[type[Exception], ...] = (CdcError,)
) -> Exception | None:
    """Run `body` and return its error, if any; log the traceback of an error not in `expected`."""
    try:
        body()
    except Exception as error:  # noqa: BLE001 -- see above
        if not isinstance(error, expected):
            _log_unexpected(name, error)
        return error
    return None


def explanation(error: Exception) -> str:
    """Return the message of an error of `cdc`, or a message about an unexpected error."""
    if isinstance(error, CdcError):
        return str(error)
    return f"Unexpected error ({type(error).__name__}: {error}): see the log of this process."


def start_thread(
    name: str,
    body: Callable[[], object],
    *,
    stopped: Callable[[], bool] = lambda: False,
    on_error: Callable[[Retryable], object] = lambda _: None,
) -> threading.Thread:
    """Run `body` in a daemon thread until it returns; after an error, run it again with backoff.

    `on_error` receives each error, as a Retryable with a message, before the pause. While the
    thread keeps failing, `thread_problems` reports it.
    """

    def run() -> None:
        failures = 0
        while not stopped():
            began = time.monotonic()
            error = attempt(name, body, expected=())
            if error is None:
                break
            failures = failures + 1 if time.monotonic() - began < CALM_SECONDS else 0
            _record(name, error, on_error)
            time.sleep(backoff(failures))
        _problems.pop(threading.get_ident(), None)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def thread_problems() -> tuple[str, ...]:
    """Return a message for each running thread that has failed in the last `CALM_SECONDS`."""
    now = time.monotonic()
    return tuple(text for at, text in list(_problems.values()) if now - at < CALM_SECONDS)


def _record(name: str, error: Exception, on_error: Callable[[Retryable], object]) -> None:
    sentence = f"The thread {name!r} failed and is restarted. {explanation(error)}"
    _problems[threading.get_ident()] = (time.monotonic(), sentence)
    attempt(name, lambda: on_error(Retryable(sentence)))


def _log_unexpected(name: str, error: Exception) -> None:
    now = time.monotonic()
    if now - _logged.get(name, float("-inf")) >= _REPEAT_SECONDS:
        _logged[name] = now
        _log.error(telemetry.THREAD_FAILED, exc_info=error, extra={"thread_name": name})
