"""Which epochs a message may have: none that the source has not come to."""

from collections.abc import Callable

from cdc.errors import Rejected


class KnownEpochs:
    """Judges epochs by what the source told last; asks it again only about a higher one."""

    def __init__(self, ask: Callable[[], int]) -> None:
        """`ask` returns the source's epoch; raises Retryable."""
        self._ask = ask
        self._highest = 0

    def check(self, epoch: int) -> None:
        """Raise Rejected for an epoch above the source's; raises Retryable.

        Applied, it would make all that the source ever says of the row stale.
        """
        if epoch > self._highest:
            self._highest = max(self._highest, self._ask())
            if epoch > self._highest:
                raise Rejected(
                    f"Its epoch is {epoch}, the database has only come to {self._highest}."
                )
