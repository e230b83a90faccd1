"""Reconciliation: compares a table with each of its collections, and repairs differences."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from django.db import Error
from django.db.models import Q

from cdc.capture.images import images_after
from cdc.capture.resend import send_state, through_locks
from cdc.errors import CdcError, Refused
from cdc.printable import counted, printable
from cdc.registry import Capture
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.comparison import Comparison, Difference, DifferenceKind
from cdc.resync.orphans import Orphans, foreign_document
from cdc.resync.report import TableReport, new_report
from cdc.resync.run_context import RunContext

CHUNK = 500
"""The number of rows that are read at once.

As soon as there are that many suspects, or no more rows, the suspects are confirmed.
"""
_SHOWN_KEY = 60


class Reconciliation:
    """Compares one table with its collections in chunks; may be killed and resumed at any time.

    First, each row is compared with its documents, in key order. Then each collection is searched
    for orphans. A repair is sent through the outbox, like any change, and is verified after it has
    been applied.
    """

    def __init__(
        self,
        capture: Capture,
        comparison: Comparison,
        orphans: Orphans,
        checkpoint: CheckpointStore,
        context: RunContext,
        *,
        repair: bool,
        using: str,
    ) -> None:
        self._capture = capture
        self._comparison = comparison
        self._orphans = orphans
        self._checkpoint = checkpoint
        self._context = context
        self._repair = repair
        self._using = using
        self._collection = -1
        """-1 while rows are compared; then the index of the collection searched for orphans."""
        self._last: Any = None
        self.report = new_report(capture.table, capture.collections)

    def run(self) -> bool:
        """Compare the remaining rows and documents; return False if stopped before the end."""
        saved = self._checkpoint.load()
        if saved is not None:
            self._collection, self._last = saved["place"], saved["last"]
            self.report = TableReport.from_json(saved["report"])
            self._context.advance(self.report.rows)
            rows = counted(self.report.rows, "row")
            self._context.say(f"Resuming {self._capture.table}: {rows} compared so far.")
        finished = self._compare_rows() and self._find_orphans()
        if finished:
            self._checkpoint.remove()
        return finished

    def _compare_rows(self) -> bool:
        suspects: list[Any] = []
        capture = self._capture
        last = self._last_row()
        while self._collection < 0:
            if self._context.stopped():
                return False
            images = images_after(capture, last, CHUNK, Q(), using=self._using)
            suspects += self._comparison.suspects(images)
            self._report_unsendable(images)
            self.report.rows += len(images)
            last = next(reversed(images), None)
            # Confirming waits for changes in transit, so collect a whole chunk first.
            if len(suspects) >= CHUNK or not images:
                self._confirm(suspects, gone=False)
                suspects = []
            if not images:
                self._collection = 0
            if not suspects:
                self._save_row(last)
            self._context.advance(len(images))
        return True

    def _report_unsendable(self, keys: Iterable[Any]) -> None:
        """Report the rows that cannot have a document because their keys cannot be encoded."""
        for key in keys:
            try:
                self._capture.key_to_wire(key)
            except Refused as error:
                shown = printable(str(key), _SHOWN_KEY)
                self._context.say(f"{self._capture.table} {shown}: {error}")
                self.report.add(
                    Difference(collection, DifferenceKind.MISSING, shown)
                    for collection in self._capture.collections
                )
                self.report.unrepaired += self._repair

    def _last_row(self) -> Any:
        if self._collection >= 0 or self._last is None:
            return None
        return self._capture.key_from_wire(self._last)

    def _find_orphans(self) -> bool:
        while self._collection < len(self._capture.collections):
            name = self._capture.collections[self._collection]
            for chunk in self._orphans.chunks(name, self._last):
                if self._context.stopped():
                    return False
                self.report.count_documents(name, chunk.seen)
                self._confirm(chunk.orphans, gone=True)
                self._report_foreign(name, chunk.foreign)
                self._save(chunk.last)
            self._collection += 1
            self._save(None)
        return True

    def _confirm(self, suspects: Sequence[Any], *, gone: bool) -> None:
        differences = self._comparison.confirmed(suspects, gone=gone)
        self.report.add(differences)
        keys = {difference.key for difference in differences}
        if not keys or not self._repair:
            return
        self._send(sorted(keys))
        left = self._left(keys, gone=gone)
        self.report.repaired += len(keys) - len(left)
        self.report.unrepaired += len(left)
        for key in sorted(left):
            self._context.say(
                f"{self._capture.table} {key} still differs after the repair: see "
                "`manage.py dead_letters list`. If the version of the document is higher than "
                "those that the database now assigns, run `manage.py new_epoch` and repair again."
            )

    def _left(self, keys: Collection[Any], *, gone: bool) -> set[Any]:
        """Return the keys that still differ after the repair.

        If that remains unknown, say so: a run that resumes here finds equal documents.
        """
        try:
            return {each.key for each in self._comparison.confirmed(keys, gone=gone)}
        except (CdcError, Error):
            self._context.say(
                f"{self._capture.table}: {counted(len(keys), 'key')} sent for repair, and not "
                "compared again before the interruption."
            )
            raise

    def _send(self, keys: Sequence[Any]) -> None:
        try:
            self._send_state(keys)
        except Refused:
            for key in keys:
                try:
                    self._send_state([key])
                except Refused as error:
                    self._context.say(str(error))

    def _send_state(self, keys: Sequence[Any]) -> None:
        rows = [self._capture.key_from_wire(key) for key in keys]
        send = partial(send_state, self._capture, rows, using=self._using)
        through_locks(send, self._context.clock, using=self._using)

    def _report_foreign(self, collection: str, keys: Sequence[Any]) -> None:
        self.report.add(Difference(collection, DifferenceKind.EXTRA, str(key)) for key in keys)
        for key in keys:
            self.report.unrepaired += self._repair
            self._context.say(foreign_document(collection, key))

    def _save_row(self, key: Any) -> None:
        with suppress(Refused):  # Without a checkpoint here, a resumed run compares the rows again.
            self._save(None if key is None else self._capture.key_to_wire(key))

    def _save(self, last: Any) -> None:
        """Save the checkpoint if JSON can represent the key `last`.

        A run that resumes at an earlier checkpoint repeats some comparisons.
        """
        self._last = last
        if last is None or isinstance(last, int | str):
            state = {"place": self._collection, "last": last, "report": self.report.as_json()}
            self._checkpoint.save(state)
