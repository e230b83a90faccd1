"""The outbox as its relays see it: the committed rows of each shard."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

from tests.bench.sharding.changes import Change
from tests.bench.sharding.cluster import BATCH, Shard

_id = attrgetter("id")


class Outbox:
    """The rows that are committed and not yet deleted."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._coming = sorted(changes, key=attrgetter("committed"))
        self._seen = 0
        self._unread: defaultdict[Shard, list[Change]] = defaultdict(list)
        """The rows that no relay has read, lowest id first."""
        self._present: defaultdict[Shard, list[int]] = defaultdict(list)
        """The ids of all rows in the table, lowest first."""

    def read(self, shard: Shard, highest: int, now: float) -> tuple[list[Change], int]:
        """Return the next batch of a shard, and the number of rows that were passed over.

        The batch has the first `BATCH` rows above `highest`, which the relay has not read, and all
        rows below it that were committed late. The rows that were passed over are those of other
        shards above `highest`; if the batch is full, only those up to its last id.
        """
        self._commit(now)
        unread = self._unread[shard]
        late = bisect_right(unread, highest, key=_id)
        rows = unread[: late + BATCH]
        del unread[: late + BATCH]
        full = len(rows) - late == BATCH
        passed = self._present_between(highest, rows[-1].id if full else None)
        return rows, passed - (len(rows) - late)

    def delete(self, shard: Shard, rows: Sequence[Change]) -> None:
        """Delete published rows."""
        ids, present = [row.id for row in rows], self._present[shard]
        if present[: len(ids)] == ids:
            del present[: len(ids)]
        else:
            gone = set(ids)
            self._present[shard] = [number for number in present if number not in gone]

    def _commit(self, now: float) -> None:
        """Make the rows visible that were committed up to `now`."""
        while self._seen < len(self._coming) and self._coming[self._seen].committed <= now:
            change = self._coming[self._seen]
            self._seen += 1
            insort(self._unread[change.shard], change, key=_id)
            insort(self._present[change.shard], change.id)

    def _present_between(self, above: int, upto: int | None) -> int:
        """Return the number of rows with ids in a range, of all shards."""
        return sum(
            (len(ids) if upto is None else bisect_right(ids, upto)) - bisect_right(ids, above)
            for ids in self._present.values()
        )
