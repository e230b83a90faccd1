"""The jobs daemon: runs the jobs that pages start, and sends the canary."""

import logging
from functools import partial

from django.db import DEFAULT_DB_ALIAS, connections

from cdc.canary.beat import start_beating
from cdc.daemons.startup import process_name
from cdc.jobs.kinds import KINDS
from cdc.jobs.runner import JobRunner
from cdc.jobs.table import Jobs
from cdc.runtime import telemetry
from cdc.runtime.counters import Counters
from cdc.runtime.daemon_started import daemon_started
from cdc.runtime.loop import Stop, SystemClock, run_until_stopped

_PAUSE_SECONDS = 0.5
_log = logging.getLogger(__name__)


def run_jobs() -> None:
    """Run jobs until a signal."""
    clock = SystemClock()
    daemon_started.send("jobs", counters=Counters(DEFAULT_DB_ALIAS, clock))
    with Stop() as stop:
        runner = JobRunner(
            Jobs(DEFAULT_DB_ALIAS), KINDS, process_name(), lambda: stop.requested, clock
        )
        start_beating(DEFAULT_DB_ALIAS, lambda: stop.requested)
        telemetry.log(_log, logging.INFO, telemetry.JOBS_STARTED)
        with stop.bounding_errors():
            run_until_stopped(
                runner.run_once,
                stopped=lambda: stop.requested,
                on_retry=partial(telemetry.log_retry, telemetry.JOB_RETRY),
                pause=lambda: clock.sleep(_PAUSE_SECONDS),
                clock=clock,
            )
        connections.close_all()
        telemetry.log(_log, logging.INFO, telemetry.JOBS_STOPPED)
