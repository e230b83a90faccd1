"""The pause of a group's consumers: asked for in the database, where each of them looks."""

import logging
import threading

from django.db import Error, connections, transaction

from cdc.context import current_actor
from cdc.models import ConsumerPause
from cdc.operator_log import write_down
from cdc.runtime import telemetry

_LOOK_SECONDS = 1.0
_FIRST_SECONDS = 2.0
_log = logging.getLogger(__name__)


def pause(group: str, why: str, *, using: str) -> bool:
    """Let the group's consumers hold still; return False when they are to already."""
    with transaction.atomic(using=using):
        _, new = ConsumerPause.objects.using(using).get_or_create(
            group=group, defaults={"who": current_actor(), "why": why}
        )
        if new:
            write_down("pause", f"consumers of {group}", why, using=using)
    return new


def resume(group: str, why: str, *, using: str) -> bool:
    """Let the group's consumers go on; return False when they were not paused."""
    with transaction.atomic(using=using):
        gone, _ = ConsumerPause.objects.using(using).filter(group=group).delete()
        if gone:
            write_down("resume", f"consumers of {group}", why, using=using)
    return bool(gone)


def current_pause(group: str, *, using: str) -> ConsumerPause | None:
    """Return the group's pause; None when it is not paused."""
    return ConsumerPause.objects.using(using).filter(group=group).first()


class PauseWatch:
    """Looks about once a second whether the group is paused, in a thread of its own.

    The consumer itself never waits for the database here. While that is away what was read last
    counts; before the first answer the group counts as paused, since it may be.
    """

    def __init__(self, group: str, using: str) -> None:
        self._group = group
        self._using = using
        self._known = threading.Event()
        self._stopped = threading.Event()
        self._paused = True
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __call__(self) -> bool:
        """Return whether the group is to hold still."""
        return self._paused

    def start(self) -> None:
        """Begin to look; wait for the first answer, but not for long."""
        self._thread.start()
        self._known.wait(_FIRST_SECONDS)

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def look(self) -> None:
        """Look once."""
        try:
            self._paused = current_pause(self._group, using=self._using) is not None
            self._known.set()
        except Error as error:
            connections[self._using].close()
            if not self._known.is_set():
                telemetry.log(
                    _log, logging.WARNING, telemetry.CONSUMER_PAUSE_UNKNOWN, error=str(error)
                )

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(_LOOK_SECONDS)
        connections.close_all()
