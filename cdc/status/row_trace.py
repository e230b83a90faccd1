"""The way of a row's last change: saved, published, applied; and how far it is now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

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
"""MongoDB is not waited for longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What one collection holds of the row."""

    collection: str
    outbox_id: int | None
    """The version that it holds; None when it has no document, or one of a stranger."""
    applied_at: datetime | None
    """None when the history does not hold that version, or not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a row's last change is; None stands for what is not known, or not yet."""

    sentence: str
    settled: bool
    """Whether every collection has it, so that nothing will move by itself."""
    outbox_id: int | None = None
    saved_at: datetime | None = None
    partition: int | None = None
    offset: int | None = None
    arrivals: tuple[Arrival, ...] = ()


def way_of(instance: Model) -> Way:
    """Return the way of the last change of `instance`'s row, within seconds whatever is away."""
    capture = registry.find(type(instance))
    if capture is None:
        raise Misconfigured(f"{type(instance).__name__} is not captured: register it in cdc.py.")
    return _Search(capture, instance.pk, instance._state.db or "default").way()


class _Search:
    def __init__(self, capture: Capture, key: Any, using: str) -> None:
        self._capture = capture
        self._key = key
        self._using = using

    def way(self) -> Way:
        waiting = self._waiting()
        try:
            reader = process_reader()
            with reader.within(PATIENCE_SECONDS):
                return self._known(reader, waiting)
        except (Retryable, Misconfigured) as error:
            where = f"Version {waiting.id} waits in the outbox. " if waiting else ""
            return Way(
                sentence=f"{where}What the copy holds is not known. {error}",
                settled=False,
                outbox_id=waiting.id if waiting else None,
                saved_at=_moment(waiting.ts_ms) if waiting else None,
            )

    def _known(self, reader: ReplicaReader, waiting: OutboxRecord | None) -> Way:
        wire_key = self._capture.key.to_wire(self._key)
        held = {name: reader.version(name, wire_key) for name in self._capture.collections}
        events = reader.events({version for version in held.values() if version})
        newest = max((version for version in held.values() if version), default=None)
        arrivals = tuple(
            Arrival(
                collection=name,
                outbox_id=version.outbox_id if version else None,
                applied_at=_of(events, version).get("applied_at"),
            )
            for name, version in held.items()
        )
        if waiting:
            return Way(
                sentence=self._in_outbox(waiting, newest),
                settled=False,
                outbox_id=waiting.id,
                saved_at=_moment(waiting.ts_ms),
                arrivals=arrivals,
            )
        event = _of(events, newest)
        equal = len(set(held.values())) == 1 and newest is not None and self._equal(reader)
        arrived = _arrived(newest, event) if equal and newest else self._between(held)
        return Way(
            sentence=arrived,
            settled=equal,
            outbox_id=newest.outbox_id if newest else None,
            saved_at=event.get("at"),
            partition=event.get("partition"),
            offset=event.get("offset"),
            arrivals=arrivals,
        )

    def _waiting(self) -> OutboxRecord | None:
        """Return the row's newest change that the outbox still holds."""
        key = encode_key(self._capture.key.name, self._capture.key.to_wire(self._key))
        rows = OutboxRecord.objects.using(self._using).defer("before", "after")
        return rows.filter(table=self._capture.table, key=key).order_by("-id").first()

    def _equal(self, reader: ReplicaReader) -> bool:
        images = read_images(self._capture, [self._key], using=self._using)
        comparison = Comparison(self._capture, reader, lambda: None, using=self._using)
        return bool(images) and not comparison.suspects(images)

    def _in_outbox(self, waiting: OutboxRecord, newest: Version | None) -> str:
        held = f"version {newest.outbox_id}" if newest else "no version"
        seconds = (datetime.now(UTC) - _moment(waiting.ts_ms)).total_seconds()
        cause = "" if OutboxQueue(self._using).publisher() else ", and nobody publishes"
        return (
            f"Version {waiting.id} has waited in the outbox for {max(seconds, 0):.1f} s{cause}; "
            f"the copy has {held}."
        )

    def _between(self, held: Mapping[str, Version | None]) -> str:
        """Say where a change is that has left the outbox and is not in every collection."""
        versions = sorted({version.outbox_id if version else 0 for version in held.values()})
        has = " and ".join(f"version {number}" if number else "no version" for number in versions)
        paused = current_pause(cdc_settings().group, using=self._using)
        cause = (
            "the consumers are paused"
            if paused
            else "it is on its way through Kafka; if it stays so, a reconciliation finds out why"
        )
        return f"The copy has {has}, and not what the database has: {cause}."


def _arrived(version: Version, event: Mapping[str, Any]) -> str:
    places = f"Version {version.outbox_id} of {version.outbox_id} everywhere"
    if "applied_at" not in event:
        return f"{places}; the history does not hold when it arrived."
    seconds = (event["applied_at"] - event["at"]).total_seconds()
    return f"{places}, {max(seconds, 0):.3f} s after the save."


def _of(events: Mapping[Version, Mapping[str, Any]], version: Version | None) -> Mapping[str, Any]:
    return events.get(version, {}) if version else {}


def _moment(ts_ms: int) -> datetime:
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
