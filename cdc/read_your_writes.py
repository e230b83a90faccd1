"""Read your own writes: wait until the replica contains a change."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from django.db import connections
from django.db.models import Model

from cdc.capture.images import read_images
from cdc.capture.instance_state import Recorded, last_recorded
from cdc.conf import cdc_settings
from cdc.errors import Misconfigured, Refused, Retryable
from cdc.mongo.client import connect
from cdc.mongo.plan import Identity, delete_markers
from cdc.mongo.reader import ReplicaReader
from cdc.outbox import table as outbox
from cdc.outbox.next_id import next_id
from cdc.registry import Capture, registry
from cdc.resync.comparison import Comparison
from cdc.runtime.clock import Clock, SystemClock
from cdc.wire.event import Version

_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 0.1
_SHORTEST_LIMIT_SECONDS = 0.1
"""The minimum limit of a check: the first and the last check may begin at the deadline."""


def wait_until_applied(instance: Model, timeout: float, *, clock: Clock | None = None) -> bool:
    """Wait until every collection has the last change of `instance`, or a later change.

    The last change is the last `save()`, `delete()` or `bulk_create()` of the instance in this
    process; it must be committed. If no such change is known, because the instance was only read,
    the function waits until the collections have the current content of the row.

    Return False if this takes longer than `timeout` seconds: the change is late or was rolled back,
    or MongoDB does not respond. Only the last read of MongoDB may exceed the timeout, by 0.1 s.
    Raise Refused inside a transaction, whose changes are not visible yet. Raise Misconfigured if
    the model is not captured.
    """
    capture = registry.find(type(instance))
    if capture is None:
        raise Misconfigured(f"{type(instance).__name__} is not captured: register it in cdc.py.")
    using = instance._state.db or "default"
    if connections[using].in_atomic_block:
        raise Refused(
            f"wait_until_applied({type(instance).__name__}) was called inside a transaction, whose "
            "changes are not visible yet: call it after the commit."
        )
    change = _AwaitedChange(capture, instance, using)
    clock = clock or SystemClock()
    deadline, pause = clock.monotonic() + timeout, _POLL_SECONDS
    while not change.applied(within=deadline - clock.monotonic()):
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(min(pause, max(deadline - clock.monotonic(), 0)))
        pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)
    return True


class _AwaitedChange:
    def __init__(self, capture: Capture, instance: Model, using: str) -> None:
        self._reader = process_reader()
        self._capture = capture
        self._recorded = last_recorded(instance)
        self._key = self._recorded.key if self._recorded else instance.pk
        self._using = using
        self._epoch = outbox.current_epoch(using=using)
        self._first_seen: set[Version | None] | None = None
        """The versions in the collections and the delete markers at the first check."""

    def applied(self, *, within: float) -> bool:
        """Return whether the change is applied; read MongoDB for at most `within` seconds."""
        try:
            with self._reader.within(max(within, _SHORTEST_LIMIT_SECONDS)):
                if self._recorded is None:
                    return self._matches_row()
                return self._arrived(self._recorded)
        except Retryable:
            return False

    def _arrived(self, recorded: Recorded) -> bool:
        """Return whether every collection has this change or a later change."""
        epoch = outbox.current_epoch(using=self._using)
        if epoch is None or epoch != self._epoch:  # The change may have the old or the new epoch.
            return self._matches_row()
        wanted = Version(epoch, recorded.outbox_id)
        versions = self._versions(self._capture.key_to_wire(recorded.key))
        if self._first_seen is None:
            self._first_seen = set(versions)
        reached = all(version is not None and version >= wanted for version in versions)
        return reached and (self._trusts(versions) or self._matches_row())

    def _versions(self, key: Identity) -> list[Version | None]:
        """Return the version of the row's document in each collection.

        If no collection has the document, return only the version of the row's delete marker.
        """
        versions = [self._reader.version(name, key) for name in self._capture.collections]
        if any(versions):
            return versions
        return [self._reader.version(delete_markers(self._capture.table), key)]

    def _trusts(self, versions: Sequence[Version | None]) -> bool:
        """Return whether these versions prove that the change was applied.

        A restored database reuses versions that the replica already has. A version therefore
        proves nothing if this database has not assigned it yet, or if the replica already had it at
        the first check.
        """
        following = next_id(using=self._using)
        reachable = Version(self._epoch or 0, following or sys.maxsize)
        return all(
            version is not None and version < reachable and version not in (self._first_seen or ())
            for version in versions
        )

    def _matches_row(self) -> bool:
        images = read_images(self._capture, [self._key], using=self._using)
        if not images:
            key = self._capture.key_to_wire(self._key)
            return not any(self._reader.keys(name, [key]) for name in self._capture.collections)
        comparison = Comparison(self._capture, self._reader, lambda: None, using=self._using)
        return not comparison.suspects(images)


def process_reader() -> ReplicaReader:
    """Return this process's reader of the replica.

    All callers share one reader, because connecting takes longer than reading.
    """
    settings = cdc_settings()
    return _reader(settings.mongodb_uri, settings.mongodb_database)


@lru_cache(maxsize=4)
def _reader(uri: str, database: str) -> ReplicaReader:
    settings = replace(cdc_settings(), mongodb_uri=uri, mongodb_database=database)
    return ReplicaReader(connect(settings), settings)
