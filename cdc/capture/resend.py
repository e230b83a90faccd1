"""Sends the current state of rows through the outbox, even during concurrent writes."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, OperationalError, connections, transaction

from cdc.capture.changes import Change, Origin, entry_of
from cdc.capture.images import Images, read_images
from cdc.capture.signals import record
from cdc.errors import Refused, Rejected, Retryable
from cdc.models import OutboxRecord
from cdc.outbox import table as outbox
from cdc.outbox.table import Entry
from cdc.registry import Capture, registry
from cdc.runtime import telemetry
from cdc.runtime.clock import Clock
from cdc.runtime.retry import backoff
from cdc.wire.event import Operation, decode_key

_log = logging.getLogger(__name__)
_ATTEMPTS = 6
"""The maximum number of attempts at one transaction; the pauses take at most 1.6 s in all."""


def send_state(capture: Capture, keys: Iterable[Any], *, using: str) -> None:
    """Send the rows with these keys as op `r`, and a delete for each key without a row.

    Must not be called inside a transaction. This function opens a transaction that also locks keys
    without a row. Otherwise another transaction could insert a row with such a key, and the delete
    sent here could come after the create event of that row.
    """
    keys = sorted(set(keys))
    with _locking_gaps(using), transaction.atomic(using=using, durable=True):
        images = send_rows(capture, keys, using=using)
        deletes = [_deleted(capture, key, using) for key in keys if key not in images]
        outbox.add(deletes, using=using)


def send_rows(capture: Capture, keys: Iterable[Any], *, using: str) -> Images:
    """Send the rows with these keys as op `r` and return them; must run in a transaction.

    The rows are locked, so that every later change of these rows has a higher version.
    """
    images = read_images(capture, keys, using=using, lock=True)
    found = [Change(before=None, after=image, read=True) for image in images.values()]
    record(capture, found, using=using)
    return images


def send_again(rows: Sequence[OutboxRecord], *, using: str) -> None:
    """Send the current state of the captured rows to which these outbox records belong.

    A row that cannot be encoded is logged and skipped. Raise Retryable on a database error.
    """
    captures = registry.by_table()
    keys: dict[str, set[Any]] = {}
    for row in rows:
        # A record that capture did not write may have an unknown table or an invalid key.
        with suppress(KeyError, Rejected):
            _, value = decode_key(row.key.encode())
            key = captures[row.table].key_from_wire(value)
            keys.setdefault(row.table, set()).add(key)
    try:
        for table, found in keys.items():
            _send_each(captures[table], found, using=using)
    except Error as error:
        connections[using].close()
        raise Retryable(f"Rows could not be resent: the database failed ({error}).") from error


def _send_each(capture: Capture, keys: Collection[Any], *, using: str) -> None:
    """Send the state of these rows; a row that is refused does not stop the others."""
    try:
        send_state(capture, keys, using=using)
    except Refused as error:
        if len(keys) > 1:
            for key in keys:
                _send_each(capture, [key], using=using)
            return
        event, reason = telemetry.RELAY_NOT_SENT_AGAIN, error.without_values
        telemetry.log(_log, logging.ERROR, event, table=capture.table, error=reason)


def through_locks(send: Callable[[], None], clock: Clock, *, using: str) -> None:
    """Call `send`; repeat the call after an OperationalError, such as a deadlock.

    Raise the error of the last attempt.
    """
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
    return entry_of(capture, Operation.DELETE, Origin.now(using), before=row, after=None)


@contextmanager
def _locking_gaps(using: str) -> Iterator[None]:
    """Make the next transaction also lock missing keys.

    InnoDB takes gap locks only at REPEATABLE READ and above; the level is set for one transaction.
    SQLite has a single writer and needs no gap locks.
    """
    connection = connections[using]
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    yield
