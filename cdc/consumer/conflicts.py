"""Changes that a unique index of the replica refuses, until another change frees the value."""

from collections import Counter
from collections.abc import Iterable, Sequence

from cdc.consumer.batches import Decoded
from cdc.mongo.plan import Conflict, Delivered
from cdc.wire.event import Version

ATTEMPTS = 50
"""Attempts before a conflict counts as lasting: about 20 s, with the pauses between them.

The change that frees the value may be with a consumer that was killed. Kafka gives its partitions
to another one after 6 s, and a restarted process has to connect first.
"""


class Conflicts:
    """Counts the attempts to apply each refused change.

    A row may take over the value of another row whose own change is in another partition and has
    not been applied yet.
    """

    def __init__(self) -> None:
        self._attempts = Counter[Version]()

    def lasts(self, conflict: Conflict, *, counts: bool) -> bool:
        """Return whether this was the last attempt; without `counts` it never is.

        An attempt does not count while more records wait in Kafka: one of them may free the value.
        """
        self._attempts[conflict.version] += counts
        return self._attempts[conflict.version] >= ATTEMPTS

    def settle(self, batch: Iterable[Delivered]) -> None:
        """Forget the changes of a batch that was applied."""
        if self._attempts:
            for delivered in batch:
                self._attempts.pop(delivered.event.version, None)


def index_of(conflict: Conflict, decoded: Sequence[Decoded]) -> int:
    """Return the index of the refused record; raises `conflict` if it is not among these."""
    for index, (_, delivered) in enumerate(decoded):
        if delivered is not None and delivered.event.version == conflict.version:
            return index
    raise conflict
