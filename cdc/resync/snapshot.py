"""The snapshot: sends every row as op `r`, and a delete for each orphaned document."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from django.db import OperationalError, transaction

from cdc.capture.images import keys_after
from cdc.capture.resend import send_rows, send_state, through_locks
from cdc.errors import Refused
from cdc.printable import counted
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.orphans import Orphans, foreign_document
from cdc.resync.run_context import RunContext
from cdc.resync.selection import Selection

CHUNK = 200
"""The number of rows that are locked at once, for a few hundredths of a second."""


class Throttle(Protocol):
    """Limits how fast rows are sent."""

    def wait(self, rows: int, stopped: Callable[[], bool]) -> None:
        """Wait until `rows` more rows may be sent, or until `stopped` returns True."""


@dataclass(slots=True, kw_only=True)
class Sent:
    """The progress of a snapshot, as stored in the checkpoint."""

    rows: int = 0
    """The number of `r` events."""
    deletes: int = 0
    refused: int = 0
    """The number of rows that cannot be sent; each of them is reported."""
    collection: int = -1
    """-1 while rows are sent; then the index of the collection searched for orphans."""
    last: Any = None
    """The last processed key, as JSON."""

    def __str__(self) -> str:
        rows, deletes = counted(self.rows, "row"), counted(self.deletes, "delete")
        refused = f", {counted(self.refused, 'row')} refused" if self.refused else ""
        return f"{rows} and {deletes} sent{refused}"


class Snapshot:
    """Sends a selection in chunks and in key order; may be killed and resumed at any time.

    One transaction writes the events of a chunk of rows and the checkpoint, so no chunk of rows is
    sent twice or skipped. The versions of the events ensure that concurrent writes are neither lost
    nor overwritten. Orphaned documents are removed only if the selection contains all rows; a
    resumed run may send a delete again.
    """

    def __init__(
        self,
        selection: Selection,
        orphans: Orphans,
        checkpoint: CheckpointStore,
        context: RunContext,
        throttles: Sequence[Throttle],
        *,
        using: str,
    ) -> None:
        self._selection = selection
        self._orphans = orphans
        self._checkpoint = checkpoint
        self._context = context
        self._throttles = throttles
        self._using = using
        self.sent = Sent()

    def run(self) -> bool:
        """Send the remaining rows; return False if stopped before the end."""
        saved = self._checkpoint.load()
        if saved is not None:
            self.sent = Sent(**saved)
            self._context.advance(self.sent.rows)
            self._context.say(f"Resuming {self._selection}: {self.sent} so far.")
        finished = self._send_rows() and self._send_deletes()
        if finished:
            self._checkpoint.remove()
        return finished

    def _send_rows(self) -> bool:
        capture, condition = self._selection.capture, self._selection.query
        last = self._resumed_key()
        while self.sent.collection < 0:
            keys = keys_after(capture, last, CHUNK, condition, using=self._using)
            if not keys:
                self.sent.collection, self.sent.last = 0, None
            elif not self._admit(keys):
                return False
            else:
                self._send_chunk(keys)
                last = keys[-1]
                self._context.advance(len(keys))
        return True

    def _resumed_key(self) -> Any:
        if self.sent.collection >= 0 or self.sent.last is None:
            return None
        return self._selection.capture.key_from_wire(self.sent.last)

    def _send_chunk(self, keys: Sequence[Any]) -> None:
        """Send a chunk in one transaction; if a row is refused, send the rows one by one."""
        try:
            self._send_through_locks(keys)
        except Refused:
            for key in keys:
                self._send_alone(key)

    def _send_alone(self, key: Any) -> None:
        try:
            self._send_through_locks([key])
        except Refused as error:
            self._context.say(str(error))
            self.sent.refused += 1
            self._save_row(key)

    def _send_through_locks(self, keys: Sequence[Any]) -> None:
        through_locks(partial(self._send, keys), self._context.clock, using=self._using)

    def _send(self, keys: Sequence[Any]) -> None:
        before = self.sent.rows
        try:
            with transaction.atomic(using=self._using, durable=True):
                images = send_rows(self._selection.capture, keys, using=self._using)
                self.sent.rows += len(images)
                self._save_row(keys[-1])
        except (Refused, OperationalError):
            self.sent.rows = before
            raise

    def _send_deletes(self) -> bool:
        capture = self._selection.capture
        while self._selection.complete and self.sent.collection < len(capture.collections):
            name = capture.collections[self.sent.collection]
            for chunk in self._orphans.chunks(name, self.sent.last):
                if not self._admit(chunk.orphans):
                    return False
                if chunk.orphans:
                    self._remove(chunk.orphans)
                for key in chunk.foreign:
                    self._context.say(foreign_document(name, key))
                self._save(chunk.last)
            self.sent.collection += 1
            self._save(None)
        return True

    def _remove(self, keys: Sequence[Any]) -> None:
        capture, using = self._selection.capture, self._using
        rows = [capture.key_from_wire(key) for key in keys]
        send = partial(send_state, capture, rows, using=using)
        through_locks(send, self._context.clock, using=using)
        self.sent.deletes += len(keys)

    def _admit(self, keys: Sequence[Any]) -> bool:
        """Wait until these rows may be sent; return False if the run was stopped."""
        for throttle in self._throttles:
            throttle.wait(len(keys), self._context.stopped)
        return not self._context.stopped()

    def _save_row(self, key: Any) -> None:
        with suppress(Refused):  # If the key cannot be encoded, the row was refused, too.
            self._save(self._selection.capture.key_to_wire(key))

    def _save(self, last: Any) -> None:
        """Save the checkpoint if JSON can represent `last`, the key of a document.

        A run that resumes at an earlier checkpoint searches some documents again.
        """
        if last is None or isinstance(last, int | str):
            self.sent.last = last
            self._checkpoint.save(asdict(self.sent))
