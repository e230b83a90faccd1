"""The public names for a project's own management commands and daemons."""

from cdc import __version__
from cdc.progress import progress
from cdc.runtime.clock import Clock, SystemClock
from cdc.runtime.command import FAILED, FeedCommand, daemon_started
from cdc.runtime.database import database_problem
from cdc.runtime.retry import backoff, run_until_stopped
from cdc.runtime.service_manager import notify_alive, notify_ready
from cdc.runtime.stop import Stop
from cdc.runtime.telemetry import log
from cdc.runtime.threads import attempt, explanation, start_thread, thread_problems
from cdc.runtime.tracing import flush as flush_spans

__all__ = [
    "FAILED",
    "Clock",
    "FeedCommand",
    "Stop",
    "SystemClock",
    "__version__",
    "attempt",
    "backoff",
    "daemon_started",
    "database_problem",
    "explanation",
    "flush_spans",
    "log",
    "notify_alive",
    "notify_ready",
    "progress",
    "run_until_stopped",
    "start_thread",
    "thread_problems",
]
