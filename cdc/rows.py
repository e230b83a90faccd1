"""The source's rows, for questions that only the source can answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import Error, connections
from django.db.models import QuerySet

from cdc.errors import Retryable
from cdc.registry import Capture
from cdc.sink import Identity

_KEYS_PER_QUESTION = 500


class SourceRows:
    """Asks the tables of the captured models."""

    def __init__(self, captures: Mapping[str, Capture], using: str) -> None:
        self._captures = captures
        self._using = using

    def gone(self, table: str, keys: Sequence[Identity]) -> set[Identity]:
        """Return those of `keys` that no row of `table` has; raises Retryable."""
        rows: QuerySet[Any] = QuerySet(model=self._captures[table].model, using=self._using)
        gone = set(keys)
        try:
            for start in range(0, len(keys), _KEYS_PER_QUESTION):
                chunk = keys[start : start + _KEYS_PER_QUESTION]
                gone.difference_update(rows.filter(pk__in=chunk).values_list("pk", flat=True))
        except Error as error:
            connections[self._using].close()
            raise Retryable(
                f"The database did not say which rows of {table} are left ({error}): "
                "see that it is up."
            ) from error
        return gone
