"""Sends the current state of rows through the outbox, while other transactions write them."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, OperationalError, connections, transaction

from cdc.capture.changes import Change, entry_of
from cdc.capture.handlers import record
from cdc.capture.images import Images, read_images
from cdc.errors import Refused, Rejected, Retryable
from cdc.models import OutboxRecord
from cdc.outbox import table as outbox
from cdc.outbox.table import Entry
from cdc.registry import Capture, registry
from cdc.runtime import telemetry
from cdc.runtime.loop import Clock, backoff
from cdc.wire.event import Operation, decode_key

_log = logging.getLogger(__name__)
_ATTEMPTS = 6
"""Attempts at one transaction, over about 1.5 s."""


def send_state(capture: Capture, keys: Iterable[Any], *, using: str) -> None:
    """Send the rows with these keys as op `r`, and a delete for each key without a row.

    Must not be called inside a transaction. Its own transaction also locks missing keys against
    inserts; otherwise the delete could follow the insert of a row created at that moment.
    """
    keys = sorted(set(keys))
    with _locking_gaps(using), transaction.atomic(using=using, durable=True):
        images = send_rows(capture, keys, using=using)
        deletes = [_deleted(capture, key, using) for key in keys if key not in images]
        outbox.add(deletes, using=using)


def send_rows(capture: Capture, keys: Iterable[Any], *, using: str) -> Images:
    """Send the rows with these keys as op `r` and return them; must run in a transaction.

    The rows are locked, so that every later change of them has a higher version.
    """
    images = read_images(capture, keys, using=using, lock=True)
    found = [Change(before=None, after=image, read=True) for image in images.values()]
    record(capture, found, using=using)
    return images


def send_again(rows: Sequence[OutboxRecord], *, using: str) -> None:
    """Send the current state of the rows that these outbox records belong to.

    A row that no message can hold any more is logged and left out. Raises Retryable if the database
    is unavailable or rolled back this transaction.
    """
    captures = registry.by_table()
    keys: dict[str, set[Any]] = {}
    for row in rows:
        # A record not written by capture may have a key that no row can have.
        with suppress(KeyError, Rejected):
            _, value = decode_key(row.key.encode())
            key = captures[row.table].key_from_wire(value)
            keys.setdefault(row.table, set()).add(key)
    try:
        for table, found in keys.items():
            _send_each(captures[table], found, using=using)
    except Error as error:
        connections[using].close()
        raise Retryable(f"Rows could not be sent again: the database failed ({error}).") from error


def _send_each(capture: Capture, keys: Collection[Any], *, using: str) -> None:
    """Send the state of these rows; one that is refused does not hold the others."""
    try:
        send_state(capture, keys, using=using)
    except Refused as error:
        if len(keys) > 1:
            for key in keys:
                _send_each(capture, [key], using=using)
            return
        event = telemetry.RELAY_NOT_SENT_AGAIN
        telemetry.log(_log, logging.ERROR, event, table=capture.table, error=str(error))


def through_locks(send: Callable[[], None], clock: Clock, *, using: str) -> None:
    """Call `send`, and again after a deadlock or a lock wait timeout."""
    for failures in range(_ATTEMPTS):
        try:
            send()
        except OperationalError:
            if failures == _ATTEMPTS - 1:
                raise
            connections[using].close_if_unusable_or_obsolete()
            clock.sleep(backoff(failures))
        else:
            return


def _deleted(capture: Capture, key: Any, using: str) -> Entry:
    row = {capture.key.name: capture.key_to_wire(key)}
    return entry_of(capture, Operation.DELETE, before=row, after=None, using=using)


@contextmanager
def _locking_gaps(using: str) -> Iterator[None]:
    """Make the next transaction lock missing keys too.

    InnoDB takes gap locks from REPEATABLE READ on, set here for that transaction only. SQLite has
    a single writer.
    """
    connection = connections[using]
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    yield
