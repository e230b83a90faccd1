"""Reconciliation: the content of a table against each of its collections, and its repair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db.models import Q

from cdc.capture.images import images_after
from cdc.capture.resend import send_state, through_locks
from cdc.errors import Refused
from cdc.progress import Advance, Say
from cdc.registry import Capture
from cdc.resync.checkpoints import CheckpointStore
from cdc.resync.comparison import Comparison, Difference, Kind
from cdc.resync.orphans import Leftovers
from cdc.resync.report import TableReport, new_report
from cdc.runtime.loop import Clock

CHUNK = 500
"""Rows that are in memory at a time, with their documents; also keys of a second look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a reconciliation works with."""

    clock: Clock
    say: Say
    advance: Advance
    stopped: Callable[[], bool]


class Reconciliation:
    """Compares one table with its collections, chunk by chunk; can be ended at any instruction.

    First the rows in key order, each with its documents; then the keys of each collection, for
    documents whose row is gone. A repair goes through the outbox, like any change, and is looked
    at when it has arrived.
    """

    def __init__(
        self,
        capture: Capture,
        comparison: Comparison,
        leftovers: Leftovers,
        checkpoint: CheckpointStore,
        tools: Tools,
        *,
        repair: bool,
        using: str,
    ) -> None:
        self._capture = capture
        self._comparison = comparison
        self._leftovers = leftovers
        self._checkpoint = checkpoint
        self._tools = tools
        self._repairs = repair
        self._using = using
        self._place = -1
        self._last: Any = None
        self.report = new_report(capture.table, capture.collections)

    def run(self) -> bool:
        """Compare what is left; return False when it was stopped before the end."""
        begun = self._checkpoint.load()
        if begun is not None:
            self._place, self._last = begun["place"], begun["last"]
            self.report = TableReport.from_json(begun["report"])
            self._tools.advance(self.report.rows)
            self._tools.say(
                f"Goes on where it was stopped: {self._capture.table}, "
                f"{self.report.rows} rows compared."
            )
        finished = self._rows() and self._keys()
        if finished:
            self._checkpoint.remove()
        return finished

    def _rows(self) -> bool:
        suspects: list[Any] = []
        last = self._last
        while self._place < 0:
            if self._tools.stopped():
                return False
            images = images_after(self._capture, last, CHUNK, Q(), using=self._using)
            suspects += self._comparison.suspects(images)
            self.report.rows += len(images)
            last = next(reversed(images), None)
            # A second look waits for what is under way, so it is worth a whole chunk.
            if len(suspects) >= CHUNK or not images:
                self._settle(suspects, gone=False)
                suspects = []
            if not images:
                self._place = 0
            if not suspects:
                self._keep(last)
            self._tools.advance(len(images))
        return True

    def _keys(self) -> bool:
        while self._place < len(self._capture.collections):
            name = self._capture.collections[self._place]
            for chunk in self._leftovers.chunks(name, self._last):
                if self._tools.stopped():
                    return False
                self.report.passed(name, chunk.seen)
                self._settle(chunk.leftovers, gone=True)
                self._strangers(name, chunk.foreign)
                self._keep(chunk.last)
            self._place += 1
            self._keep(None)
        return True

    def _settle(self, suspects: Sequence[Any], *, gone: bool) -> None:
        differences = self._comparison.confirmed(suspects, gone=gone)
        self.report.add(differences)
        keys = {difference.key for difference in differences}
        if not keys or not self._repairs:
            return
        self._send(sorted(keys))
        left = {each.key for each in self._comparison.confirmed(keys, gone=gone)}
        self.report.repaired += len(keys) - len(left)
        self.report.unrepaired += len(left)
        for key in sorted(left):
            self._tools.say(
                f"{self._capture.table} {key} is still different: see `manage.py dead_letters "
                "list`; if its document carries a later version than the database gives, run "
                "`manage.py new_epoch` and repair again."
            )

    def _send(self, keys: Sequence[Any]) -> None:
        try:
            self._send_state(keys)
        except Refused:
            for key in keys:
                try:
                    self._send_state([key])
                except Refused as error:
                    self._tools.say(str(error))

    def _send_state(self, keys: Sequence[Any]) -> None:
        send = partial(send_state, self._capture, keys, using=self._using)
        through_locks(send, self._tools.clock, using=self._using)

    def _strangers(self, collection: str, keys: Sequence[Any]) -> None:
        self.report.add(Difference(collection, Kind.EXTRA, str(key)) for key in keys)
        for key in keys:
            self.report.unrepaired += self._repairs
            self._tools.say(
                f"{collection} has a document {key!r}, which no row can have: remove it by hand."
            )

    def _keep(self, last: Any) -> None:
        """Save how far it is; a key that JSON has not is passed again."""
        self._last = last
        if last is None or isinstance(last, int | str):
            state = {"place": self._place, "last": last, "report": self.report.as_json()}
            self._checkpoint.save(state)
