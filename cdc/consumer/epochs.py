"""Rejects messages whose epoch is higher than the database's."""

from collections.abc import Callable

from cdc.errors import Rejected


class KnownEpochs:
    """Caches the database's epoch, and reads it again only if a message has a higher epoch."""

    def __init__(self, ask: Callable[[], int]) -> None:
        """`ask` returns the database's epoch, or raises Retryable."""
        self._ask = ask
        self._highest = 0

    def check(self, epoch: int) -> None:
        """Raise Rejected if `epoch` is higher than the database's epoch.

        If such a message were applied, later changes of the same row, which have a lower epoch,
        would count as stale. Raise Retryable if the database's epoch cannot be read.
        """
        if epoch > self._highest:
            self._highest = max(self._highest, self._ask())
            if epoch > self._highest:
                raise Rejected(
                    f"The message has epoch {epoch}, but the database has epoch {self._highest}."
                )
