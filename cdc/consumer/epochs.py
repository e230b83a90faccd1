"""Rejects messages whose epoch the database has not reached."""

from collections.abc import Callable

from cdc.errors import Rejected


class KnownEpochs:
    """Remembers the database's epoch and asks for it again only about a higher one."""

    def __init__(self, ask: Callable[[], int]) -> None:
        """`ask` returns the database's epoch, and raises Retryable."""
        self._ask = ask
        self._highest = 0

    def check(self, epoch: int) -> None:
        """Raise Rejected for an epoch above the database's, or Retryable if that cannot be read.

        If such a message were applied, every later change of its row would be stale.
        """
        if epoch > self._highest:
            self._highest = max(self._highest, self._ask())
            if epoch > self._highest:
                raise Rejected(
                    f"Its epoch is {epoch}, but the database has only reached {self._highest}."
                )
