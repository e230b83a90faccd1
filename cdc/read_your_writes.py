"""Read your own writes: wait until the replica holds a change."""

from dataclasses import replace
from functools import lru_cache

from django.db import connections
from django.db.models import Model

from cdc.capture.images import read_images
from cdc.capture.instance_state import Recorded, last_recorded
from cdc.conf import cdc_settings
from cdc.errors import Misconfigured, Refused, Retryable
from cdc.mongo.client import connect
from cdc.mongo.plan import delete_markers
from cdc.mongo.reader import ReplicaReader
from cdc.outbox import table as outbox
from cdc.registry import Capture, registry
from cdc.resync.comparison import Comparison
from cdc.runtime.loop import Clock, SystemClock
from cdc.wire.event import Version

_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 0.1


def wait_until_applied(instance: Model, timeout: float, *, clock: Clock | None = None) -> bool:
    """Wait until every collection has the last change of `instance`, or a later change.

    The last change is the last `save()`, `delete()` or `bulk_create()` of the instance in this
    process; it must be committed. For an instance that was only read, the function waits until the
    collections have the current content of the row. Returns False after `timeout` seconds: the
    change is late or was rolled back, or MongoDB is not responding. Raises Refused inside a
    transaction, because its changes are not visible yet, and Misconfigured for a model that is not
    captured.
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
    while not change.applied():
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

    def applied(self) -> bool:
        try:
            if self._recorded is None:
                return self._matches_row()
            return self._arrived(self._recorded)
        except Retryable:
            return False

    def _arrived(self, recorded: Recorded) -> bool:
        """Return whether each collection has this version or, after a delete, the delete marker."""
        wanted = Version(outbox.current_epoch(using=self._using) or 0, recorded.outbox_id)
        key = self._capture.key.to_wire(recorded.key)
        versions = [self._reader.version(name, key) for name in self._capture.collections]
        if None not in versions:
            return all(version >= wanted for version in versions if version)
        # The row was deleted, by this change or by a later one.
        marker = self._reader.version(delete_markers(self._capture.table), key)
        return versions.count(None) == len(versions) and marker is not None and marker >= wanted

    def _matches_row(self) -> bool:
        images = read_images(self._capture, [self._key], using=self._using)
        if not images:
            return not any(
                self._reader.keys(name, [self._key]) for name in self._capture.collections
            )
        comparison = Comparison(self._capture, self._reader, lambda: None, using=self._using)
        return not comparison.suspects(images)


def process_reader() -> ReplicaReader:
    """Return the reader that this process shares, because connecting takes longer than reading."""
    settings = cdc_settings()
    return _reader(settings.mongodb_uri, settings.mongodb_database)


@lru_cache(maxsize=4)
def _reader(uri: str, database: str) -> ReplicaReader:
    settings = replace(cdc_settings(), mongodb_uri=uri, mongodb_database=database)
    return ReplicaReader(connect(settings), settings)
