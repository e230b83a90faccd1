"""Counts conflicts with a unique index of the replica: another change may still free the value."""

from collections import Counter
from collections.abc import Iterable, Sequence

from cdc.consumer.batches import Decoded
from cdc.mongo.plan import Conflict, Delivered
from cdc.wire.event import Version

ATTEMPTS = 50
"""The number of attempts after which a conflict counts as permanent; they take about 20 s.

The change that frees the value may be in a partition of a consumer that was killed. Kafka assigns
that partition to another consumer after 6 s, and a restarted consumer must connect first.
"""
_WHOLE = 10
"""The weight of an attempt while no more records seem to wait in Kafka; otherwise, it is 1."""


class Conflicts:
    """Counts the attempts to apply each change that conflicts with a unique index.

    A unique value may move from one row to another. The change that removes the value from the
    first row may be in another partition, and may not be applied yet.
    """

    def __init__(self) -> None:
        self._attempts = Counter[Version]()

    def lasts(self, conflict: Conflict, *, counts: bool) -> bool:
        """Count an attempt; return whether the conflict is permanent.

        If `counts` is False, the attempt counts as a tenth. The consumer passes False while more
        records wait in Kafka, because one of these records may free the value. The attempt still
        counts a little: the record that frees the value may be in the same partition, where it
        has to wait for this change.
        """
        self._attempts[conflict.version] += _WHOLE if counts else 1
        return self._attempts[conflict.version] >= ATTEMPTS * _WHOLE

    def settle(self, batch: Iterable[Delivered]) -> None:
        """Forget the conflicts of the changes in a batch that was applied."""
        if self._attempts:
            for delivered in batch:
                self._attempts.pop(delivered.event.version, None)


def index_of(conflict: Conflict, decoded: Sequence[Decoded]) -> int:
    """Return the index of the conflicting record; raise `conflict` if the record is not found."""
    for index, (_, delivered) in enumerate(decoded):
        if delivered is not None and delivered.event.version == conflict.version:
            return index
    raise conflict
