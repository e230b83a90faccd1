"""State that capture keeps between the signals of one save or delete.

Django's signals pass nothing from one receiver to the next, so this state is attached to what they
do pass: the instance, and the `origin` of a delete (an instance or a queryset).

- The image before an update: on the instance, from `_do_update` to `post_save`.
- The pending deletes: on the origin, from `delete()` to `pre_delete`; then on the instance, until
  `post_delete`.
- The last recorded change: on the instance from then on, for `cdc.read_your_writes`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from django.db.models import Model

from cdc.capture.changes import Change
from cdc.capture.images import Image, Images
from cdc.registry import Capture

_IMAGES_BEFORE = "_cdc_images_before"
_PENDING_DELETES = "_cdc_pending_deletes"
_RECORDED = "_cdc_recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The last change of an instance that this process recorded."""

    key: Any
    outbox_id: int
    """At most the change's own id, and above the ids of all earlier changes of the row."""


class PendingDeletes:
    """The rows that a running delete will remove, as the database holds them."""

    __slots__ = ("__weakref__", "images", "model", "outbox_id")

    def __init__(self, capture: Capture, images: Images, *, using: str) -> None:
        self.model = capture.model
        self.images = images
        self.outbox_id = 0
        """The lowest outbox id of the deletes; 0 until they are recorded."""
        for key in images:
            _pending[using, capture.model, key] = self


# Django nulls references between rows that it is about to delete: the image of such a row was read
# before, and has to be updated. An entry disappears with its instance or queryset.
_pending: WeakValueDictionary[tuple[str, type[Model], Any], PendingDeletes] = WeakValueDictionary()


def push_image_before(instance: Model, image: Image) -> None:
    """Keep the image of the row that a save is about to update."""
    # A list, because a receiver may save the same instance inside its save.
    instance.__dict__.setdefault(_IMAGES_BEFORE, []).append(image)


def pop_image_before(instance: Model) -> Image:
    """Return and drop the image that the innermost save of the instance has kept."""
    image: Image = instance.__dict__[_IMAGES_BEFORE].pop()
    return image


def set_recorded(instance: Model, recorded: Recorded) -> None:
    instance.__dict__[_RECORDED] = recorded


def last_recorded(instance: Model) -> Recorded | None:
    """Return the last save or delete of the instance in this process, if any."""
    found: Recorded | None = instance.__dict__.get(_RECORDED)
    return found


def set_pending_deletes(origin: Any, pending: PendingDeletes) -> None:
    vars(origin)[_PENDING_DELETES] = pending


def pending_deletes_of(origin: Any, model: type[Model], key: Any) -> PendingDeletes | None:
    """Return the pending deletes of an origin if they include the row with this key."""
    pending: PendingDeletes | None = getattr(origin, _PENDING_DELETES, None)
    included = pending is not None and pending.model is model and key in pending.images
    return pending if included else None


def pop_pending_deletes(instance: Model) -> PendingDeletes | None:
    pending: PendingDeletes | None = instance.__dict__.pop(_PENDING_DELETES, None)
    return pending


def update_pending_deletes(capture: Capture, changes: Iterable[Change], *, using: str) -> None:
    """Replace the images of rows that changed while they wait for their delete."""
    if not _pending:
        return
    for change in changes:
        if change.after is None:
            continue
        key = change.after[capture.key.attname]
        pending = _pending.get((using, capture.model, key))
        if pending is not None and key in pending.images:
            pending.images[key] = change.after
