"""What happens when a captured row is written: its images, its event, its outbox row.

The order in one transaction: lock and read the row, write it, read it again, add the outbox row.
Both images are what the database holds, so F() expressions, defaults and cut values come right.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from cdc.capture.changes import Change, changes_between
from cdc.capture.images import Image, Images, read_image
from cdc.errors import Refused
from cdc.outbox import table as outbox
from cdc.registry import Capture, registry

_BEFORE = "_cdc_before"
_DOOMED = "_cdc_doomed"
_RECORDED = "_cdc_recorded"


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


def record(capture: Capture, changes: Iterable[Change], *, using: str) -> int:
    """Write the changes to the outbox; raises Refused for what cannot be carried.

    Returns the lowest outbox id that they were given.
    """
    refuse_outside_transaction(capture.model, using)
    changes = list(changes)
    lowest = outbox.add([change.entry(capture, using=using) for change in changes], using=using)
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
