"""The daemon that does jobs, and sends the canary."""

import logging
import os
import socket
import uuid

from django.db import DEFAULT_DB_ALIAS, connections

from cdc.canary.beat import start_beating
from cdc.errors import Retryable
from cdc.jobs.kinds import WORKS
from cdc.jobs.runner import JobRunner
from cdc.jobs.table import Jobs
from cdc.runtime import telemetry
from cdc.runtime.counters import Counters
from cdc.runtime.loop import Stop, SystemClock, run_until_stopped
from cdc.runtime.signals import daemon_started

_PAUSE_SECONDS = 0.5
_log = logging.getLogger(__name__)


def run_jobs() -> None:
    """Do jobs until a signal."""
    clock = SystemClock()
    daemon_started.send("jobs", counters=Counters(DEFAULT_DB_ALIAS, clock))
    with Stop() as stop:
        runner = JobRunner(
            Jobs(DEFAULT_DB_ALIAS),
            WORKS,
            f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            lambda: stop.requested,
            clock,
        )
        start_beating(DEFAULT_DB_ALIAS, lambda: stop.requested)
        telemetry.log(_log, logging.INFO, telemetry.JOBS_STARTED)
        with stop.bounding_errors():
            run_until_stopped(
                runner.run_once,
                stopped=lambda: stop.requested,
                on_retry=_on_retry,
                pause=lambda: clock.sleep(_PAUSE_SECONDS),
                clock=clock,
            )
        connections.close_all()
        telemetry.log(_log, logging.INFO, telemetry.JOBS_STOPPED)


def _on_retry(error: Retryable, delay: float) -> None:
    telemetry.log(
        _log, logging.WARNING, telemetry.JOB_RETRY, error=str(error), seconds=round(delay, 2)
    )
