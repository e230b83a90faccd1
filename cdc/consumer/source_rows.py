"""The source itself, for questions that only the source can answer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import Error, connections
from django.db.models import QuerySet

from cdc.errors import Retryable
from cdc.mongo.plan import Identity
from cdc.outbox.table import current_epoch
from cdc.registry import Capture

_KEYS_PER_QUESTION = 500


class SourceRows:
    """Asks the tables of the captured models."""

    def __init__(self, captures: Mapping[str, Capture], using: str) -> None:
        self._captures = captures
        self._using = using

    def missing(self, table: str, keys: Sequence[Identity]) -> set[Identity]:
        """Return the `keys` that no row of `table` has.

        Raises Retryable, and Rejected for a key that no row can have.
        """
        capture = self._captures[table]
        rows: QuerySet[Any] = QuerySet(model=capture.model, using=self._using)
        wanted = {capture.key_from_wire(key): key for key in keys}
        asked = list(wanted)
        with _asking(self._using, f"which rows of {table} are left"):
            for start in range(0, len(asked), _KEYS_PER_QUESTION):
                chunk = asked[start : start + _KEYS_PER_QUESTION]
                for key in rows.filter(pk__in=chunk).values_list("pk", flat=True):
                    wanted.pop(key, None)
        return set(wanted.values())


def source_epoch(*, using: str) -> int:
    """Return the epoch that the database is in; raises Retryable."""
    with _asking(using, "its epoch"):
        epoch = current_epoch(using=using)
    if epoch is None:  # in the middle of a flush, or before the first migration
        raise Retryable("The database has no epoch: run `manage.py migrate`.")
    return epoch


@contextmanager
def _asking(using: str, what: str) -> Iterator[None]:
    try:
        yield
    except Error as error:
        connections[using].close()
        raise Retryable(f"The database did not say {what} ({error}): see that it is up.") from error
