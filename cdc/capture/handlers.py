"""What happens when a captured row is written: its images, its event, its outbox row.

The order in one transaction: lock and read the row, write it, read it again, add the outbox row.
Both images are what the database holds, so F() expressions, defaults and cut values come right.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from cdc.capture.images import Image, Images, read_image
from cdc.conf import cdc_settings
from cdc.context import current_actor, current_traceparent
from cdc.errors import Refused
from cdc.outbox import table as outbox
from cdc.registry import Capture, registry
from cdc.wire.event import Operation, Version, encode_key, encode_row, encode_value

_BEFORE = "_cdc_before"
_DOOMED = "_cdc_doomed"
_RECORDED = "_cdc_recorded"
_LONGEST_KEY = 255
_ENVELOPE = 1_000
"""More bytes than an envelope has besides its rows, its table and its user."""
_LONGEST_ESCAPE = 6
"""Bytes that JSON makes of one character at most."""
_HIGHEST = Version(2**63 - 1, 2**63 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The last change of an instance that this process recorded, for who waits for its copy."""

    key: Any
    outbox_id: int
    """Not above the change's own, and above those of all earlier changes of the row."""
    gone: bool

    def note(self, instance: Model) -> None:
        """Leave it with the instance."""
        instance.__dict__[_RECORDED] = self


def last_recorded(instance: Model) -> Recorded | None:
    """Return what was left with the instance by its last save or delete."""
    found: Recorded | None = instance.__dict__.get(_RECORDED)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row before and after; at least one of the two is there."""

    before: Image | None
    after: Image | None
    read: bool = False
    """Nothing happened: the row is sent as it is."""

    @property
    def operation(self) -> Operation:
        """Return what happened."""
        if self.read:
            return Operation.READ
        if self.before is None:
            return Operation.CREATE
        return Operation.DELETE if self.after is None else Operation.UPDATE


class Doomed:
    """The rows that a delete under way will remove, as they are at this moment."""

    __slots__ = ("__weakref__", "images", "model", "outbox_id")

    def __init__(self, capture: Capture, images: Images, using: str) -> None:
        self.model = capture.model
        self.images = images
        self.outbox_id = 0
        """Of their deletes, when these are recorded: the lowest."""
        for key in images:
            _doomed[using, capture.model, key] = self


# Django nulls references between rows that it is about to delete: the image of such a row, read
# before, has to follow. The rows are dropped when the instance or queryset that holds them is.
_doomed: WeakValueDictionary[tuple[str, type[Model], Any], Doomed] = WeakValueDictionary()


def changes_between(before: Mapping[Any, Image], after: Mapping[Any, Image]) -> Iterator[Change]:
    """Yield the change of every row in either, those of `before` first, in their order."""
    for key in {**before, **after}:
        yield Change(before=before.get(key), after=after.get(key))


def record(capture: Capture, changes: Iterable[Change], *, using: str) -> int:
    """Write the changes to the outbox; raises Refused for what cannot be carried.

    Returns the lowest outbox id that they were given.
    """
    refuse_outside_transaction(capture.model, using)
    changes = list(changes)
    now_ms = time.time_ns() // 1_000_000
    lowest = outbox.add([_entry(capture, change, now_ms, using) for change in changes], using=using)
    if _doomed:
        _follow(capture, changes, using)
    return lowest


def refuse_outside_transaction(model: type[Model], using: str) -> None:
    """Raise Refused when the next statement would be committed on its own."""
    if not connections[using].in_atomic_block:
        raise Refused(
            f"A {model.__name__} is written outside a transaction, so its event could be "
            "lost: write it inside transaction.atomic()."
        )


def connect(model: type[Model]) -> None:
    """Listen to a model.

    It is called while the class is made: receivers that others connect come later, and what they
    write to the same row gets its event later. Receivers are connected to each class: one that
    listens to all senders would take Django's fast delete from every model of the project.
    """
    pre_save.connect(_before_save, sender=model)
    post_save.connect(_after_save, sender=model)
    pre_delete.connect(_before_delete, sender=model)
    post_delete.connect(_after_delete, sender=model)


def remember(instance: Model, before: Image) -> None:
    """Keep the image of the row that a save has just updated, for its `post_save`."""
    # A list, because a receiver may save the same instance inside its save.
    instance.__dict__.setdefault(_BEFORE, []).append(before)


def _before_save(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    if capture is not None:
        refuse_outside_transaction(sender, using)
        capture.refuse_early(instance.__dict__)


def _after_save(sender: type[Model], instance: Model, created: bool, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    if capture is None:
        return
    before = None if created else instance.__dict__[_BEFORE].pop()
    after = read_image(capture, instance.pk, using=using)
    if after is None:
        raise Refused(
            f"The {sender.__name__} just saved is not found under its key {instance.pk!r}: "
            "give it a key that the database stores as it is."
        )
    outbox_id = record(capture, [Change(before=before, after=after)], using=using)
    Recorded(key=after[capture.key.attname], outbox_id=outbox_id, gone=False).note(instance)


def _before_delete(sender: type[Model], instance: Model, using: str, origin: Any, **_: Any) -> None:
    capture = registry.find(sender)
    if capture is None:
        return
    doomed: Doomed | None = getattr(origin, _DOOMED, None)
    ours = doomed is not None and doomed.model is capture.model and instance.pk in doomed.images
    if not ours:
        doomed = Doomed(capture, _locked(instance, capture, using), using)
    instance.__dict__[_DOOMED] = doomed


def doom(rows: QuerySet[Any], capture: Capture, images: Images, using: str) -> None:
    """Give the rows that `rows` is about to delete to its signals: they need not read each."""
    setattr(rows, _DOOMED, Doomed(capture, images, using))


def doom_one(instance: Model, capture: Capture, using: str) -> bool:
    """Lock an instance's row, which is about to be deleted; return whether it is there."""
    images = _locked(instance, capture, using)
    if images:
        setattr(instance, _DOOMED, Doomed(capture, images, using))
    return bool(images)


def _locked(instance: Model, capture: Capture, using: str) -> Images:
    image = read_image(capture, instance.pk, using=using, lock=True)
    return {} if image is None else {image[capture.key.attname]: image}


def _after_delete(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    doomed = instance.__dict__.pop(_DOOMED, None)
    if capture is None or doomed is None:
        return
    if doomed.images:
        # Django sends this when all rows of the model are gone: the first call speaks for all.
        images, doomed.images = doomed.images, {}
        doomed.outbox_id = record(capture, changes_between(images, {}), using=using)
    Recorded(key=instance.pk, outbox_id=doomed.outbox_id, gone=True).note(instance)


def _follow(capture: Capture, changes: Iterable[Change], using: str) -> None:
    for change in changes:
        image = change.after or change.before or {}
        key = image[capture.key.attname]
        doomed = _doomed.get((using, capture.model, key))
        if doomed is not None and key in doomed.images and change.after is not None:
            doomed.images[key] = change.after


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
        raise Refused(
            f"The key {entry.key[:40]}… is longer than {_LONGEST_KEY}: use a shorter one."
        )
    limit = cdc_settings().max_event_bytes
    names = len(entry.db) + len(entry.table) + len(entry.user)
    rows = len(entry.before or b"") + len(entry.after or b"")
    # Most events are far below the limit: only one that is near it is encoded to be measured.
    if rows + names * _LONGEST_ESCAPE + _ENVELOPE > limit and (size := _size(entry)) > limit:
        raise Refused(
            f"The event of {entry.table} {entry.key} has {size} bytes, MAX_EVENT_BYTES is {limit}: "
            "shorten its columns, or raise the limit here and in Kafka."
        )
    return entry


def _size(entry: outbox.Entry) -> int:
    value = encode_value(
        op=entry.op,
        before=entry.before,
        after=entry.after,
        version=_HIGHEST,
        ts_ms=entry.ts_ms,
        db=entry.db,
        table=entry.table,
        user=entry.user,
    )
    return len(value)
