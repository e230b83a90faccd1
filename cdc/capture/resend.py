"""Sends the state of named rows, through the outbox, whatever happens to them meanwhile."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, OperationalError, connections, transaction

from cdc.capture.changes import Change, entry_of
from cdc.capture.handlers import record
from cdc.capture.images import Images, read_images
from cdc.errors import Rejected, Retryable
from cdc.models import OutboxRecord
from cdc.outbox import table as outbox
from cdc.outbox.table import Entry
from cdc.registry import Capture, registry
from cdc.runtime.loop import Clock, backoff
from cdc.wire.event import Operation, decode_key

_ATTEMPTS = 6
"""Tries of one transaction, about 1.5 s in all."""


def send_state(capture: Capture, keys: Iterable[Any], *, using: str) -> None:
    """Send the rows with these keys as op `r`, and a delete for each key that no row has.

    Must not be called inside a transaction: it takes one of its own, whose locks also keep others
    from inserting a key that is found to be missing. Otherwise the delete could come after the
    insert of a story that has just come back.
    """
    keys = sorted(set(keys))
    with _locking_gaps(using), transaction.atomic(using=using, durable=True):
        images = send_rows(capture, keys, using=using)
        gone = [_deleted(capture, key, using) for key in keys if key not in images]
        outbox.add(gone, using=using)


def send_rows(capture: Capture, keys: Iterable[Any], *, using: str) -> Images:
    """Send the rows with these keys as op `r` and return them; must run in a transaction.

    The lock makes the event's version right: what changes the row later has a higher one.
    """
    images = read_images(capture, keys, using=using, lock=True)
    found = [Change(before=None, after=image, read=True) for image in images.values()]
    record(capture, found, using=using)
    return images


def send_again(rows: Sequence[OutboxRecord], *, using: str) -> None:
    """Send the current state of the rows that these outbox records are about.

    Raises Retryable when the database is away or chose this transaction to break a deadlock.
    """
    captures = registry.by_table()
    keys: dict[str, set[Any]] = {}
    for row in rows:
        # A row that somebody wrote by hand may name what no row can have: it has no state.
        with suppress(KeyError, Rejected):
            _, value = decode_key(row.key.encode())
            key = captures[row.table].key_from_wire(value)
            keys.setdefault(row.table, set()).add(key)
    try:
        for table, found in keys.items():
            send_state(captures[table], found, using=using)
    except Error as error:
        connections[using].close()
        raise Retryable(f"The database did not send stories again ({error}).") from error


def through_locks(send: Callable[[], None], clock: Clock, *, using: str) -> None:
    """Call `send` again when its transaction was the victim of a deadlock or waited too long."""
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
    row = {capture.key.name: capture.key.to_wire(key)}
    return entry_of(capture, Operation.DELETE, before=row, after=None, using=using)


@contextmanager
def _locking_gaps(using: str) -> Iterator[None]:
    """Let the next transaction lock keys that no row has, where that is not so anyway.

    InnoDB does it from REPEATABLE READ on, for this one transaction; SQLite has one writer.
    """
    connection = connections[using]
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    yield
