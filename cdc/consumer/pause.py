"""Pauses the consumers of a group with a database row, which every consumer polls."""

import logging
import threading
import time

from django.db import Error, connections, transaction

from cdc.context import current_actor
from cdc.errors import Retryable
from cdc.models import ConsumerPause
from cdc.operator_log import log_action
from cdc.runtime import telemetry
from cdc.runtime.database import database_problem, drop_replaced_file
from cdc.runtime.threads import start_thread

_POLL_SECONDS = 1.0
_FIRST_POLL_SECONDS = 2.0
_REPEAT_SECONDS = 30.0
_log = logging.getLogger(__name__)


def pause(group: str, why: str, *, using: str) -> bool:
    """Pause the group's consumers; return False if they are paused already."""
    with transaction.atomic(using=using):
        _, new = ConsumerPause.objects.using(using).get_or_create(
            group=group, defaults={"who": current_actor(), "why": why}
        )
        if new:
            log_action("pause", f"consumers of {group}", why, using=using)
    return new


def resume(group: str, why: str, *, using: str) -> bool:
    """Resume the group's consumers; return False if they were not paused."""
    with transaction.atomic(using=using):
        deleted, _ = ConsumerPause.objects.using(using).filter(group=group).delete()
        if deleted:
            log_action("resume", f"consumers of {group}", why, using=using)
    return bool(deleted)


def current_pause(group: str, *, using: str) -> ConsumerPause | None:
    """Return the group's pause, or None."""
    return ConsumerPause.objects.using(using).filter(group=group).first()


class PauseWatch:
    """Polls once a second whether the group is paused, in a separate thread.

    After the start, the consumer therefore never waits for this query. While the database does not
    respond, the last answer stays valid, and the reason is logged at most once in 30 seconds.
    Before the first answer, the group is treated as paused.
    """

    def __init__(self, group: str, using: str) -> None:
        self._group = group
        self._using = using
        self._known = threading.Event()
        self._stopped = threading.Event()
        self._paused = True
        self._logged = float("-inf")

    def __call__(self) -> bool:
        """Return whether the group is paused."""
        return self._paused

    def start(self) -> None:
        """Start polling and wait up to 2 seconds for the first answer."""
        start_thread("pause", self._run, stopped=self._stopped.is_set)
        self._known.wait(_FIRST_POLL_SECONDS)

    def stop(self) -> None:
        self._stopped.set()

    def poll(self) -> None:
        """Read the pause once; keep the last answer if the database does not respond."""
        try:
            drop_replaced_file(self._using)
            self._paused = current_pause(self._group, using=self._using) is not None
            self._known.set()
        except Retryable as error:
            self._report(str(error))
        except Error as error:
            connections[self._using].close()
            self._report(database_problem(error, self._using))

    def _report(self, problem: str) -> None:
        now = time.monotonic()
        if now - self._logged >= _REPEAT_SECONDS:
            self._logged = now
            telemetry.log(_log, logging.WARNING, telemetry.CONSUMER_PAUSE_UNKNOWN, error=problem)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self.poll()
                self._stopped.wait(_POLL_SECONDS)
        finally:
            connections.close_all()
