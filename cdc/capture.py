"""What happens when a captured row is written: its images, its event, its outbox row.

The order in one transaction: lock and read the row, write it, read it again, add the outbox row.
Both images are what the database holds, so F() expressions, defaults and cut values come right.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models import Model, Q, QuerySet
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from cdc import outbox
from cdc.actor import current_actor
from cdc.conf import cdc_settings
from cdc.errors import Refused
from cdc.event import Operation, Version, encode_key, encode_row, encode_value
from cdc.registry import Capture, registry
from cdc.trace import current_traceparent

Image = dict[str, Any]
"""A row as Django reads it, by attribute name."""
_FRAMES = "_cdc_frames"
_LONGEST_KEY = 255
_HIGHEST = Version(2**63 - 1, 2**63 - 1)


class BeforeImageMissing(Exception):  # noqa: N818 -- it says what is the case, and never leaves cdc
    """A save that began as an insert turned out to be an update."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row before and after; at least one of the two is there."""

    before: Image | None
    after: Image | None

    @property
    def operation(self) -> Operation:
        """Return what happened."""
        if self.before is None:
            return Operation.CREATE
        return Operation.DELETE if self.after is None else Operation.UPDATE


def read_images(
    capture: Capture, condition: Q, *, using: str, lock: bool = False
) -> dict[Any, Image]:
    """Return the rows that meet `condition`, by key and in its order; `lock` until commit."""
    rows = QuerySet(model=capture.model, using=using).filter(condition).order_by("pk")
    if lock:
        rows = rows.select_for_update()
    attnames = [column.attname for column in capture.columns]
    return {row[capture.key.attname]: row for row in rows.values(*attnames)}


def changes_between(before: Mapping[Any, Image], after: Mapping[Any, Image]) -> Iterator[Change]:
    """Yield the change of every row in either, in key order, deletes of moved keys first."""
    for key in sorted({*before, *after}):
        yield Change(before=before.get(key), after=after.get(key))


def record(capture: Capture, changes: Iterable[Change], *, using: str) -> None:
    """Write the changes to the outbox; raises Refused for what cannot be carried."""
    if not connections[using].in_atomic_block:
        raise Refused(
            f"A {capture.model.__name__} is written outside a transaction, so its event could be "
            "lost: write it inside transaction.atomic()."
        )
    now_ms = time.time_ns() // 1_000_000
    outbox.add([_entry(capture, change, now_ms, using) for change in changes], using=using)


def connect(models: Collection[type[Model]]) -> None:
    """Capture `models` and their proxies.

    Receivers are connected to each class: one that listens to all senders would take Django's
    fast delete from every model of the project.
    """
    for model in models:
        name = model._meta.label  # noqa: SLF001 -- public by documentation
        pre_save.connect(_before_raw_save, sender=model, dispatch_uid=f"cdc:{name}")
        post_save.connect(_after_save, sender=model, dispatch_uid=f"cdc:{name}")
        pre_delete.connect(_before_delete, sender=model, dispatch_uid=f"cdc:{name}")
        post_delete.connect(_after_delete, sender=model, dispatch_uid=f"cdc:{name}")


def open_frame(capture: Capture, instance: Model, *, using: str) -> Image | None:
    """Lock and remember the row that `instance` is about to change; return it."""
    image = None
    if instance.pk is not None:
        image = read_images(capture, Q(pk=instance.pk), using=using, lock=True).get(instance.pk)
    instance.__dict__.setdefault(_FRAMES, []).append(image)
    return image


def close_frames(instance: Model) -> None:
    """Forget what `open_frame` remembered: the write is over, well or not."""
    instance.__dict__.pop(_FRAMES, None)


def _before_raw_save(
    sender: type[Model], instance: Model, raw: bool, using: str, **_: Any
) -> None:
    # A raw save (a fixture) does not pass through CapturedModel, which opens the other frames.
    capture = registry.find(sender)
    if raw and capture is not None:
        open_frame(capture, instance, using=using)


def _after_save(
    sender: type[Model], instance: Model, created: bool, using: str, **_: Any
) -> None:
    capture = registry.find(sender)
    if capture is None:
        return
    frames = instance.__dict__.get(_FRAMES, [])
    before = frames.pop() if frames else None
    if before is None and not created:
        raise BeforeImageMissing
    after = read_images(capture, Q(pk=instance.pk), using=using).get(instance.pk)
    # A receiver that saved the row again inside this save has changed what the outer one found.
    frames[:] = [after] * len(frames)
    record(capture, [Change(before=before, after=after)], using=using)


def _before_delete(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    if capture is not None:
        open_frame(capture, instance, using=using)


def _after_delete(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    before = (instance.__dict__.pop(_FRAMES, None) or [None])[-1]
    if capture is not None and before is not None:
        record(capture, [Change(before=before, after=None)], using=using)


def _entry(capture: Capture, change: Change, ts_ms: int, using: str) -> outbox.Entry:
    before, after = (
        None if image is None else capture.wire_row(image)
        for image in (change.before, change.after)
    )
    key = (after or before or {})[capture.key.name]
    entry = outbox.Entry(
        topic=capture.topic,
        key=encode_key(capture.key.name, key),
        op=change.operation.value,
        before=encode_row(before),
        after=encode_row(after),
        ts_ms=ts_ms,
        db=str(connections[using].settings_dict["NAME"]).rpartition("/")[2],
        table=capture.table,
        user=current_actor(),
        traceparent=current_traceparent(),
    )
    return _within_limits(entry)


def _within_limits(entry: outbox.Entry) -> outbox.Entry:
    if len(entry.key) > _LONGEST_KEY:
        raise Refused(f"The key {entry.key[:40]}… is longer than {_LONGEST_KEY}: use a shorter one.")
    size = len(
        encode_value(
            op=entry.op,
            before=entry.before,
            after=entry.after,
            version=_HIGHEST,
            ts_ms=entry.ts_ms,
            db=entry.db,
            table=entry.table,
            user=entry.user,
        )
    )
    limit = cdc_settings().max_event_bytes
    if size > limit:
        raise Refused(
            f"The event of {entry.table} {entry.key} has {size} bytes, MAX_EVENT_BYTES is {limit}: "
            "shorten its columns, or raise the limit here and in Kafka."
        )
    return entry
