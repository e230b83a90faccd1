"""The jobs daemon: runs the jobs that pages, commands or the relay request; sends the canary."""

import logging
from functools import partial

from django.db import DEFAULT_DB_ALIAS, connections

from cdc.canary.beat import start_beating
from cdc.conf import cdc_settings
from cdc.daemons.startup import LONG_QUERY_SECONDS, Startup, process_name, set_query_timeouts
from cdc.doctor.database import check_database
from cdc.doctor.settings import require_valid_clients
from cdc.jobs.kinds import KINDS
from cdc.jobs.runner import JobRunner
from cdc.jobs.table import Jobs
from cdc.registry import registry
from cdc.runtime import telemetry
from cdc.runtime.clock import SystemClock
from cdc.runtime.command import daemon_started
from cdc.runtime.counters import Counters
from cdc.runtime.error_report import ErrorReport
from cdc.runtime.retry import run_until_stopped
from cdc.runtime.service_manager import supervised
from cdc.runtime.stop import Stop
from cdc.runtime.tracing import flushing

_PAUSE_SECONDS = 0.5
_log = logging.getLogger(__name__)


def run_jobs() -> None:
    """Run jobs until a signal arrives."""
    clock = SystemClock()
    daemon_started.send("jobs", counters=Counters(DEFAULT_DB_ALIAS, clock))
    set_query_timeouts(DEFAULT_DB_ALIAS, LONG_QUERY_SECONDS)
    settings = cdc_settings()
    owner = process_name()
    errors = ErrorReport(f"jobs {owner}", telemetry.JOB_RETRY, DEFAULT_DB_ALIAS, clock)
    with Stop() as stop, flushing(), errors:
        registry.require_sound()
        require_valid_clients(settings)
        startup = Startup(stop, clock, errors.on_retry)
        startup.examine(partial(check_database, settings, DEFAULT_DB_ALIAS))
        kinds = {kind.name: kind.run for kind in KINDS.values()}
        runner = JobRunner(Jobs(DEFAULT_DB_ALIAS), kinds, owner, lambda: stop.requested, clock)
        start_beating(DEFAULT_DB_ALIAS, lambda: stop.requested)
        telemetry.log(_log, logging.INFO, telemetry.JOBS_STARTED)
        with stop.bounding_errors():
            run_until_stopped(
                supervised(errors.watched(runner.run_once)),
                stopped=lambda: stop.requested,
                on_retry=errors.on_retry,
                pause=lambda: clock.sleep(_PAUSE_SECONDS),
                clock=clock,
            )
        connections.close_all()
        telemetry.log(_log, logging.INFO, telemetry.JOBS_STOPPED)
