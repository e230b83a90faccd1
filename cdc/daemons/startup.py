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
from cdc.runtime.loop import Clock, Stop, run_until_stopped

_QUERY_TIMEOUT_SECONDS = 8
_log = logging.getLogger(__name__)

Report = Callable[[Retryable, float], None]
"""A callback before each retry; its arguments are the error and the delay."""


def process_name() -> str:
    """Return a unique name under which this process owns leases."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def set_query_timeouts(using: str) -> None:
    """Make queries fail, instead of blocking forever, when MySQL stops responding."""
    connection = connections[using]
    if connection.vendor == "mysql":
        seconds = _QUERY_TIMEOUT_SECONDS
        connection.settings_dict["OPTIONS"].update(read_timeout=seconds, write_timeout=seconds)


def ensure_topics(topics: Topics, stop: Stop, clock: Clock, on_retry: Report) -> None:
    """Create the missing topics; wait for Kafka if necessary."""
    for name, partitions in all_topics().items():
        retry_until_done(partial(topics.ensure, name, partitions), stop, clock, on_retry)


def refuse_wrong(
    part: Callable[[], Iterable[Check]], stop: Stop, clock: Clock, on_retry: Report
) -> None:
    """Raise Misconfigured if the daemon cannot work with a part; log the part's other problems.

    As long as the part cannot be asked, ask again.
    """

    def ask() -> None:
        checks = list(part())
        refuse(checks)
        for check in checks:
            if check.level is not Level.OK:
                telemetry.log(
                    _log, logging.WARNING, telemetry.DOCTOR_FOUND, check=check.id, text=check.text
                )

    retry_until_done(ask, stop, clock, on_retry)


def retry_until_done(step: Callable[[], None], stop: Stop, clock: Clock, on_retry: Report) -> None:
    """Run `step` until it succeeds once, or until a signal."""
    done = False

    def attempt() -> bool:
        nonlocal done
        step()
        done = True
        return True

    run_until_stopped(
        attempt,
        stopped=lambda: stop.requested or done,
        on_retry=on_retry,
        pause=lambda: None,
        clock=clock,
    )
