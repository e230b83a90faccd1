"""Startup steps that several daemons use."""

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterable
from functools import partial

from django.db import connections

from cdc.doctor.check import Check, Level, refuse
from cdc.errors import Retryable
from cdc.kafka.topics import Topics
from cdc.registry import all_topics
from cdc.runtime import telemetry
from cdc.runtime.clock import Clock
from cdc.runtime.retry import run_until_stopped
from cdc.runtime.service_manager import notify_alive
from cdc.runtime.stop import Stop

_QUERY_TIMEOUT_SECONDS = 8
LONG_QUERY_SECONDS = 120
"""The query timeout of processes that count or compare all rows of a table."""
_log = logging.getLogger(__name__)

Report = Callable[[Retryable, float], None]
"""A callback before each retry; its arguments are the error and the delay."""


def process_name() -> str:
    """Return a unique name under which this process owns leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def set_query_timeouts(using: str, seconds: int = _QUERY_TIMEOUT_SECONDS) -> None:
    """Make queries fail, instead of blocking forever, when MySQL stops responding."""
    connection = connections[using]
    if connection.vendor == "mysql":
        connection.settings_dict["OPTIONS"].update(read_timeout=seconds, write_timeout=seconds)


class Startup:
    """The steps of a daemon's start; most are repeated until they succeed or a signal arrives."""

    def __init__(self, stop: Stop, clock: Clock, on_retry: Report) -> None:
        self._stop = stop
        self._clock = clock
        self._on_retry = on_retry

    def do(self, step: Callable[[], None]) -> None:
        """Run `step` until it succeeds once."""
        done = False

        def attempt() -> bool:
            nonlocal done
            notify_alive()
            step()
            done = True
            return True

        run_until_stopped(
            attempt,
            stopped=lambda: self._stop.requested or done,
            on_retry=self._on_retry,
            pause=lambda: None,
            clock=self._clock,
        )

    def examine(self, part: Callable[[], Iterable[Check]]) -> None:
        """Raise Misconfigured if a part keeps the daemon from working; log all other problems."""
        self.do(partial(_examine, part))

    def examine_once(self, part: Callable[[], Iterable[Check]]) -> None:
        """Examine a part that may be unreachable: the daemon can work without it for a time."""
        try:
            _examine(part)
        except Retryable as error:
            telemetry.log(_log, logging.WARNING, telemetry.DOCTOR_FOUND, text=str(error))

    def ensure_topics(self, topics: Topics) -> None:
        """Create the missing topics."""
        for name, partitions in all_topics().items():
            self.do(partial(topics.ensure, name, partitions))


def _examine(part: Callable[[], Iterable[Check]]) -> None:
    checks = list(part())
    refuse(checks)
    for check in checks:
        if check.level is not Level.OK:
            _log_problem(check)


def _log_problem(check: Check) -> None:
    telemetry.log(_log, logging.WARNING, telemetry.DOCTOR_FOUND, check=check.id, text=check.text)
