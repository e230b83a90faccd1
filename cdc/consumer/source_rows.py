"""Reads the database's epoch, and finds out which rows exist."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections
from django.db.models import QuerySet

from cdc.errors import Retryable
from cdc.mongo.plan import Identity
from cdc.outbox.table import current_epoch
from cdc.registry import Capture
from cdc.runtime.database import drop_replaced_file

_KEYS_PER_QUERY = 500


class SourceRows:
    """The rows of the captured models' tables."""

    def __init__(self, captures: Mapping[str, Capture], using: str) -> None:
        self._captures = captures
        self._using = using

    def missing(self, table: str, keys: Sequence[Identity]) -> set[Identity]:
        """Return the `keys` that no row of `table` has.

        Raise Rejected for a key that no row can have, and Retryable on a database error.
        """
        capture = self._captures[table]
        rows: QuerySet[Any] = QuerySet(model=capture.model, using=self._using)
        missing = {capture.key_from_wire(key): key for key in keys}
        asked = list(missing)
        with _querying(self._using, f"the keys of {table}"):
            for start in range(0, len(asked), _KEYS_PER_QUERY):
                chunk = asked[start : start + _KEYS_PER_QUERY]
                for key in rows.filter(pk__in=chunk).values_list("pk", flat=True):
                    missing.pop(key, None)
        return set(missing.values())


def source_epoch(*, using: str) -> int:
    """Return the database's epoch; raise Retryable if it cannot be read."""
    with _querying(using, "its epoch"):
        epoch = current_epoch(using=using)
    if epoch is None:  # During a flush, or before the first migration.
        raise Retryable("The database has no epoch: run `manage.py migrate`.")
    return epoch


@contextmanager
def _querying(using: str, what: str) -> Iterator[None]:
    drop_replaced_file(using)
    try:
        yield
    except Error as error:
        connections[using].close()
        raise Retryable(
            f"The database did not return {what} ({error}): check that it is running."
        ) from error
