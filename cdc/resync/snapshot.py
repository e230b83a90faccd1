"""The snapshot: every row as it is, as op `r`, and a delete for what the replica has too much."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from django.db import OperationalError, transaction

from cdc.capture.images import keys_after
from cdc.capture.resend import send_rows, send_state, through_locks
from cdc.errors import Refused
from cdc.outbox.throttle import OutboxLimit, RateLimit
from cdc.progress import Advance, Say
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.orphans import Leftovers
from cdc.resync.selection import Selection
from cdc.runtime.loop import Clock

CHUNK = 200
"""Rows that are locked at a time: writers wait for them, for some hundredths of a second."""


@dataclass(slots=True, kw_only=True)
class Sent:
    """How far a snapshot is; its checkpoint is exactly this."""

    rows: int = 0
    """Events `r`."""
    deletes: int = 0
    refused: int = 0
    """Rows that cannot be carried, each said."""
    collection: int = -1
    """-1: rows are sent; else the place of the collection that is searched for leftovers."""
    last: Any = None
    """The last key that is done."""

    def __str__(self) -> str:
        refused = f", {self.refused} rows refused" if self.refused else ""
        return f"{self.rows} rows and {self.deletes} deletes sent{refused}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a snapshot works with."""

    room: OutboxLimit
    pace: RateLimit
    clock: Clock
    say: Say
    advance: Advance
    stopped: Callable[[], bool]


class Snapshot:
    """Sends a selection chunk by chunk, in key order; can be ended at any instruction.

    A chunk, its events and the checkpoint are one transaction, so no chunk is sent twice or
    forgotten. Rows that are written meanwhile are neither lost nor taken back: each event carries
    its row's version. Documents whose row is gone are removed when all rows are meant.
    """

    def __init__(
        self,
        selection: Selection,
        leftovers: Leftovers,
        checkpoint: CheckpointStore,
        tools: Tools,
        *,
        using: str,
    ) -> None:
        self._selection = selection
        self._leftovers = leftovers
        self._checkpoint = checkpoint
        self._tools = tools
        self._using = using
        self.sent = Sent()

    def run(self) -> bool:
        """Send what is left; return False when it was stopped before the end."""
        begun = self._checkpoint.load()
        if begun is not None:
            self.sent = Sent(**begun)
            self._tools.advance(self.sent.rows)
            self._tools.say(f"Goes on where it was stopped: {self._selection}, {self.sent}.")
        finished = self._send_rows() and self._send_deletes()
        if finished:
            self._checkpoint.remove()
        return finished

    def _send_rows(self) -> bool:
        capture, condition = self._selection.capture, self._selection.query
        while self.sent.collection < 0:
            keys = keys_after(capture, self.sent.last, CHUNK, condition, using=self._using)
            if not keys:
                self.sent.collection, self.sent.last = 0, None
            elif not self._admit(keys):
                return False
            else:
                through_locks(partial(self._send_chunk, keys), self._tools.clock, using=self._using)
                self._tools.advance(len(keys))
        return True

    def _send_chunk(self, keys: Sequence[Any]) -> None:
        """Send a chunk in one transaction; if a row spoils it, each row in its own."""
        try:
            self._send(keys)
        except Refused:
            for key in keys:
                self._send_alone(key)

    def _send_alone(self, key: Any) -> None:
        try:
            self._send([key])
        except Refused as error:
            self._tools.say(str(error))
            self.sent.refused += 1
            self._keep(key)

    def _send(self, keys: Sequence[Any]) -> None:
        before = self.sent.rows
        try:
            with transaction.atomic(using=self._using, durable=True):
                images = send_rows(self._selection.capture, keys, using=self._using)
                self.sent.rows += len(images)
                self._keep(keys[-1])
        except (Refused, OperationalError):
            self.sent.rows = before
            raise

    def _send_deletes(self) -> bool:
        capture = self._selection.capture
        while self._selection.complete and self.sent.collection < len(capture.collections):
            name = capture.collections[self.sent.collection]
            for chunk in self._leftovers.chunks(name, self.sent.last):
                if not self._admit(chunk.leftovers):
                    return False
                if chunk.leftovers:
                    self._remove(chunk.leftovers)
                for key in chunk.foreign:
                    self._tools.say(_foreign(name, key))
                self._keep(chunk.last)
            self.sent.collection += 1
            self._keep(None)
        return True

    def _remove(self, keys: Sequence[Any]) -> None:
        capture, using = self._selection.capture, self._using
        send = partial(send_state, capture, keys, using=using)
        through_locks(send, self._tools.clock, using=using)
        self.sent.deletes += len(keys)

    def _admit(self, keys: Sequence[Any]) -> bool:
        """Wait until these may be sent; return False at a stop."""
        self._tools.pace.wait(len(keys), self._tools.stopped)
        self._tools.room.wait(len(keys), self._tools.stopped)
        return not self._tools.stopped()

    def _keep(self, last: Any) -> None:
        if last is None or isinstance(last, int | str):
            self.sent.last = last
            self._checkpoint.save(asdict(self.sent))


def _foreign(collection: str, key: Any) -> str:
    return (
        f"{collection} has a document {key!r}, which no row can have: remove it by hand, "
        "the feed has no event for it."
    )
