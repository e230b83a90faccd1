"""Traces the last change of a row: saved, published, applied."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from cdc.audience import Audience
from cdc.capture.images import read_images
from cdc.conf import cdc_settings
from cdc.consumer.pause import current_pause
from cdc.errors import Misconfigured, Retryable
from cdc.models import OutboxRecord
from cdc.mongo.reader import ReplicaReader
from cdc.outbox.queue import OutboxQueue
from cdc.read_your_writes import process_reader
from cdc.registry import Capture, registry
from cdc.resync.comparison import Comparison
from cdc.wire.event import Version
from cdc.wire.message import encode_key

PATIENCE_SECONDS = 2.0
"""The maximum wait for MongoDB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The state of the row in one collection."""

    collection: str
    outbox_id: int | None
    """The version of the document; None if there is no document or it has no version."""
    applied_at: datetime | None
    """When that version was written; None if the history does not have the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTrace:
    """The progress of a row's last change; None means unknown or not reached yet."""

    sentence: str
    settled: bool
    """Whether every collection has the change, so that this trace is final."""
    outbox_id: int | None = None
    saved_at: datetime | None = None
    partition: int | None = None
    offset: int | None = None
    arrivals: tuple[Arrival, ...] = ()
    problem: str = ""
    """The error that makes the state of the replica unknown; part of `sentence`."""

    def sentence_for(self, audience: Audience) -> str:
        """Return the sentence without the text of an error, unless the audience may see it."""
        if audience.sees_people or not self.problem:
            return self.sentence
        return f"{self.sentence.removesuffix(f': {self.problem}')}."


def trace_row(instance: Model) -> RowTrace:
    """Trace the last change of `instance`'s row; return within seconds, even during an outage.

    Raise Misconfigured for a model that is not captured.
    """
    capture = registry.find(type(instance))
    if capture is None:
        raise Misconfigured(f"{type(instance).__name__} is not captured: register it in cdc.py.")
    return _Tracer(capture, instance.pk, instance._state.db or "default").trace()


class _Tracer:
    def __init__(self, capture: Capture, key: Any, using: str) -> None:
        self._capture = capture
        self._key = key
        self._using = using

    def trace(self) -> RowTrace:
        queued = self._queued()
        try:
            reader = process_reader()
            with reader.within(PATIENCE_SECONDS):
                return self._trace(reader, queued)
        except (Retryable, Misconfigured) as error:
            found = f"Version {queued.id} is in the outbox. " if queued else ""
            return RowTrace(
                sentence=f"{found}The state of the replica is unknown: {error}",
                problem=str(error),
                settled=False,
                outbox_id=queued.id if queued else None,
                saved_at=_moment(queued.ts_ms) if queued else None,
            )

    def _trace(self, reader: ReplicaReader, queued: OutboxRecord | None) -> RowTrace:
        wire_key = self._capture.key_to_wire(self._key)
        held = {name: reader.version(name, wire_key) for name in self._capture.collections}
        events = reader.events({version for version in held.values() if version})
        newest = max((version for version in held.values() if version), default=None)
        arrivals = tuple(
            Arrival(
                collection=name,
                outbox_id=version.outbox_id if version else None,
                applied_at=_event(events, version).get("applied_at"),
            )
            for name, version in held.items()
        )
        if queued:
            return RowTrace(
                sentence=self._in_outbox(queued, newest),
                settled=False,
                outbox_id=queued.id,
                saved_at=_moment(queued.ts_ms),
                arrivals=arrivals,
            )
        event = _event(events, newest)
        equal = len(set(held.values())) == 1 and newest is not None and self._equal(reader)
        return RowTrace(
            sentence=_arrived(newest, event) if equal and newest else self._in_transit(held),
            settled=equal,
            outbox_id=newest.outbox_id if newest else None,
            saved_at=event.get("at"),
            partition=event.get("partition"),
            offset=event.get("offset"),
            arrivals=arrivals,
        )

    def _queued(self) -> OutboxRecord | None:
        """Return the row's newest change in the outbox."""
        key = encode_key(self._capture.key.name, self._capture.key_to_wire(self._key))
        rows = OutboxRecord.objects.using(self._using).defer("before", "after")
        return rows.filter(table=self._capture.table, key=key).order_by("-id").first()

    def _equal(self, reader: ReplicaReader) -> bool:
        images = read_images(self._capture, [self._key], using=self._using)
        comparison = Comparison(self._capture, reader, lambda: None, using=self._using)
        return bool(images) and not comparison.suspects(images)

    def _in_outbox(self, queued: OutboxRecord, newest: Version | None) -> str:
        held = f"version {newest.outbox_id}" if newest else "no version"
        seconds = (datetime.now(UTC) - _moment(queued.ts_ms)).total_seconds()
        cause = "" if OutboxQueue(self._using).publisher() else ", and no relay is running"
        return (
            f"Version {queued.id} has been in the outbox for {max(seconds, 0):.1f} s{cause}. "
            f"The replica has {held}."
        )

    def _in_transit(self, held: Mapping[str, Version | None]) -> str:
        """Describe a change that has left the outbox but is not in every collection yet."""
        versions = sorted({version.outbox_id if version else 0 for version in held.values()})
        found = " and ".join(f"version {number}" if number else "no version" for number in versions)
        if current_pause(cdc_settings().group, using=self._using):
            cause = "The consumers are paused."
        else:
            cause = "The change has left the outbox. If it does not arrive, run a reconciliation."
        return f"The replica has {found}, so it differs from the database. {cause}"


def _arrived(version: Version, event: Mapping[str, Any]) -> str:
    found = f"Version {version.outbox_id} reached every collection"
    if "applied_at" not in event:
        return f"{found}; the history does not have the arrival time."
    seconds = (event["applied_at"] - event["at"]).total_seconds()
    return f"{found} {max(seconds, 0):.3f} s after the save."


def _event(
    events: Mapping[Version, Mapping[str, Any]], version: Version | None
) -> Mapping[str, Any]:
    return events.get(version, {}) if version else {}


def _moment(ts_ms: int) -> datetime:
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
