"""The base classes of commands and daemons: start, exit codes and one-sentence error messages."""

import atexit
import logging
import os
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.dispatch import Signal

from cdc.errors import CdcError, Misconfigured
from cdc.runtime import telemetry
from cdc.runtime.database import database_problem

FAILED, MISUSED = 1, 2
daemon_started = Signal()
"""Sent once by each daemon before it starts work.

`sender` is the daemon's name (relay, consumer or jobs), and `counters` is the daemon's `Counters`
object. A receiver must not block. If a receiver raises Misconfigured, the daemon stops.
"""
_log = logging.getLogger(__name__)


class FeedCommand(BaseCommand):
    """A command that reports an error in one sentence and exits with code 1 or 2.

    Exit code 2 means wrong usage or a wrong setting.
    """

    requires_system_checks = []

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command, and convert errors to exit codes."""
        try:
            return super().execute(*args, **options)
        except Misconfigured as error:
            raise CommandError(str(error), returncode=MISUSED) from error
        except CdcError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        except DatabaseError as error:
            raise CommandError(database_problem(error), returncode=FAILED) from error

    def fail(self, sentence: str) -> NoReturn:
        """Print `sentence` and exit with code 1."""
        raise CommandError(sentence, returncode=FAILED)

    def misuse(self, sentence: str) -> NoReturn:
        """Print `sentence` and exit with code 2."""
        raise CommandError(sentence, returncode=MISUSED)


class DaemonCommand(FeedCommand):
    """A daemon.

    If an error ends the process, it is logged in the configured log format instead of being
    printed.
    """

    _is_own_process = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the daemon as this process, and end the process."""
        self._is_own_process = True
        sys.excepthook = _log_crash
        threading.excepthook = _log_thread_crash
        code: int | str | None = 0
        try:
            super().run_from_argv(argv)
        except SystemExit as end:
            code = end.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
            code = FAILED
        _end_process(code or 0)

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the daemon, and log the error that ends the process."""
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            if not self._is_own_process:
                raise
            code = error.returncode
            telemetry.log(
                _log, logging.ERROR, telemetry.COMMAND_FAILED, error=str(error), exit_code=code
            )
            sys.exit(code)


def _end_process(code: int) -> NoReturn:
    """End the process as Python does, but without the exit handlers of C libraries.

    OpenSSL's handler frees memory that a thread of librdkafka may still use: a client that Python
    has not garbage-collected has threads, which connect again and again while brokers refuse the
    login. Such a process would end with SIGSEGV.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 -- joins threads and pools
    atexit._run_exitfuncs()  # noqa: SLF001 -- Python's own exit handlers
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # a closed stream is None
            stream.flush()
    os._exit(code)


def _log_thread_crash(found: threading.ExceptHookArgs) -> None:
    _log_crash(found.exc_type, found.exc_value, found.exc_traceback)


def _log_crash(
    kind: type[BaseException], error: BaseException | None, at: TracebackType | None
) -> None:
    if error is not None:
        _log.critical(telemetry.COMMAND_CRASHED, exc_info=(kind, error, at))
