"""The latest value of a source that may be slow or may not respond at all."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import Error, connections

from cdc.commands import attempt, database_problem, explanation
from cdc.errors import CdcError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """The last value that was read, and the current problem."""

    value: T | None
    """None until the first read succeeds."""
    seconds: float
    """The time since the value was completely read; 0 if there is no value."""
    problem: str
    """Why there is no newer value; empty if the value is recent enough."""
    is_first: bool = False
    """Whether the first read has not ended yet."""


class Latest(Generic[T]):
    """Reads a value in a background thread, at most once every `fresh` seconds for all callers.

    A caller waits at most `patience` seconds and then gets the last value with its age. A slow
    source is a problem only if the last value is older than `tolerance` seconds plus the time that
    reading it took. The process can exit without waiting for the thread.

    The thread reads the value, and closes its database connection, inside of `turn`.
    """

    def __init__(
        self,
        read: Callable[[], T],
        *,
        fresh: float = 1.0,
        patience: float = 1.5,
        tolerance: float = 0.0,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self._read = read
        self._fresh = fresh
        self._patience = patience
        self._tolerance = tolerance
        self._turn = turn or nullcontext()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._value: T | None = None
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._took = 0.0
        self._problem = ""

    def begin(self) -> Callable[[float], Reading[T]]:
        """Start reading if the value is old. Return a function that waits for the value.

        A caller that needs several values starts all reads before it waits for the first value, so
        that a slow read does not delay the others.
        """
        thread = self._reading()
        return lambda patience: self._waited(thread, patience)

    def get(self) -> Reading[T]:
        """Return the last value, at most `fresh` seconds old if the source responds in time."""
        return self.begin()(self._patience)

    def _waited(self, thread: threading.Thread | None, patience: float) -> Reading[T]:
        if thread:
            thread.join(max(patience, 0.0))
        late = thread is not None and thread.is_alive()
        with self._lock:
            value, problem = self._value, self._problem
            age = time.monotonic() - self._read_at
            is_first = self._tried_at == float("-inf")
            tolerance = self._tolerance + self._took
        late = late and age > tolerance
        late_problem = f"No response within {self._patience:g} s." if late else ""
        return Reading(
            value=value,
            seconds=round(age, 1) if value is not None else 0.0,
            problem=problem or late_problem,
            is_first=is_first,
        )

    def _reading(self) -> threading.Thread | None:
        """Return the thread that reads the value, or None if the value is fresh."""
        with self._lock:
            if self._thread and self._thread.is_alive():
                return self._thread
            if time.monotonic() - self._tried_at < self._fresh:
                return None
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
            return self._thread

    def _run(self) -> None:
        values: list[T] = []
        began = time.monotonic()
        error = attempt("latest", lambda: self._read_into(values), expected=(CdcError, Error))
        with self._lock:
            self._tried_at = time.monotonic()
            self._problem = _sentence(error) if error else ""
            if not error:
                (self._value,) = values
                self._read_at = self._tried_at
                self._took = self._read_at - began

    def _read_into(self, values: list[T]) -> None:
        with self._turn:
            try:
                values.append(self._read())
            finally:
                connections.close_all()


def _sentence(error: Exception) -> str:
    return database_problem(error) if isinstance(error, Error) else explanation(error)
