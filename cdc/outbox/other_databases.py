"""Finds changes that wait in the outbox of a database other than the default one.

The relay reads only the outbox of the default database. Capture refuses writes to other databases,
but one of them may have been the default database before.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, Error, connections

from cdc.outbox.table import current_epoch, depth
from cdc.runtime.threads import attempt

PATIENCE_SECONDS = 10.0
"""A shorter wait is not a problem: another program may run a relay for the database, and a relay
needs less time."""
_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherOutbox:
    """Changes that no relay publishes."""

    database: str
    """The alias of the database in the settings."""
    rows: int
    seconds: float
    """The age of the oldest row."""


class OtherDatabases:
    """Reads the other outboxes in a thread, because a database may be slow or unreachable."""

    def __init__(self, aliases: Iterable[str] | None = None) -> None:
        names = list(connections) if aliases is None else aliases
        self._aliases = [alias for alias in names if alias != DEFAULT_DB_ALIAS]
        self._found: tuple[OtherOutbox, ...] = ()
        self._thread: threading.Thread | None = None

    def outboxes(self) -> tuple[OtherOutbox, ...]:
        """Return what was last found; wait up to a second for a new result."""
        if self._aliases and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._look, name="other outboxes", daemon=True)
            self._thread.start()
            self._thread.join(_WAIT_SECONDS)
        return self._found

    def _look(self) -> None:
        attempt("other outboxes", self._read, (Error,))

    def _read(self) -> None:
        try:
            ours = current_epoch(using=DEFAULT_DB_ALIAS)
            self._found = tuple(found for alias in self._aliases for found in _waiting(alias, ours))
        finally:
            connections[DEFAULT_DB_ALIAS].close()


def _waiting(alias: str, ours: int | None) -> Iterator[OtherOutbox]:
    try:
        # A copy of the default database, such as a read replica, has the same epoch.
        if current_epoch(using=alias) == ours:
            return
        found = depth(using=alias)
    except Error:
        return  # the database is unreachable, or has no outbox
    finally:
        connections[alias].close()
    seconds = 0.0 if found.oldest_ms is None else time.time() - found.oldest_ms / 1000
    if seconds > PATIENCE_SECONDS:
        yield OtherOutbox(database=alias, rows=found.rows, seconds=round(seconds, 1))
