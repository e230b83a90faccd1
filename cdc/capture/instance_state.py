"""State that capture keeps between the signals of one save or delete.

A signal receiver cannot pass data to the next receiver. This state is therefore stored on objects
that the signals contain: the instance, and the `origin` of a delete (an instance or a queryset).
The connection also stores all running deletes, because any receiver may change rows that are about
to be deleted.

- The instance stores whether a save has begun to write its row, until the event is recorded.
- The instance stores the image before an update, from `_do_update` to `post_save`.
- The origin stores the pending deletes from `delete()` to `pre_delete`. Then the instance stores
  them until `post_delete`.
- The instance keeps its last recorded change, for `cdc.read_your_writes`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from weakref import WeakSet

from django.db import connections
from django.db.models import Model

from cdc.capture.changes import Change
from cdc.capture.images import Image, Images
from cdc.registry import Capture

_IMAGES_BEFORE = "_cdc_images_before"
_PENDING_DELETES = "_cdc_pending_deletes"
_RECORDED = "_cdc_recorded"
_UNRECORDED = "_cdc_unrecorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The last recorded change of an instance in this process."""

    key: Any
    outbox_id: int
    """A lower bound of the change's outbox id, higher than the ids of the row's earlier changes."""


class PendingDeletes:
    """The rows of one model that a running delete will remove, with their images.

    All rows of the model that Django deletes in one block (a transaction or a savepoint) share this
    object. Each recorded event searches all such objects, so there should be few of them. The first
    `post_delete` of a model or a proxy records all of its rows before another receiver is called.
    """

    __slots__ = (
        "__weakref__",
        "_block",
        "_changed",
        "_changes_of",
        "_expected",
        "_gone",
        "images",
        "model",
        "outbox_id",
        "spares_absent",
    )

    def __init__(self, capture: Capture, images: dict[Any, Image | None], *, using: str) -> None:
        self.model = capture.model
        self.images = images
        """The image of each row; None if the lock has not found the row."""
        self.outbox_id = 0
        """The lowest outbox id of the deletes; 0 until they are recorded."""
        self._block = _innermost_block(using)
        self._changed: list[_Changed] = []
        """The changes in the order of their outbox ids."""
        self._changes_of: dict[Any, list[_Changed]] = {}
        """The same changes by key."""
        self._expected: dict[type[Model], list[Any]] = {}
        self.spares_absent = False
        """Whether DELETEs exclude the rows that the lock has not found."""
        self._gone: dict[Any, int] = {}
        """The outbox id of the last change of each row that was already deleted."""
        _pending(using).add(self)

    def is_running(self, using: str) -> bool:
        """Return whether the transaction or savepoint of the delete is still open.

        After an error, the origin of the delete or a traceback may keep this object alive. The
        images in this object may then be outdated.
        """
        return self._block is None or self._block in connections[using].atomic_blocks

    def is_of_block(self, block: object) -> bool:
        return self._block is block

    def expect(self, sender: type[Model], keys: Iterable[Any]) -> None:
        """Add the keys of rows that Django will delete as `sender`, the model or a proxy of it."""
        self._expected.setdefault(sender, []).extend(keys)

    def add(self, key: Any, found: Images) -> list[Any]:
        """Add the row that the lock found by this key, or mark the key as absent; return the keys.

        A receiver can insert a row that the lock has not found. Django deletes this row too.
        """
        rows: dict[Any, Image | None] = {**found} or {key: None}
        for stored, image in rows.items():
            self.images.setdefault(stored, image)
        return list(rows)

    def absent(self, existing: "Existing") -> list[Any]:
        """Return the keys of rows that the lock has not found and no receiver has inserted."""
        missing = [key for key, image in self.images.items() if image is None]
        return [key for key, image in self.current(missing, existing).items() if image is None]

    def changed(self, capture: Capture, changes: Iterable[Change], outbox_id: int) -> None:
        """Store the changes that signal receivers make to the rows before the rows are deleted.

        `outbox_id` is the lowest outbox id of these changes.
        """
        # Outbox ids increase. A stored change with this id or a higher id has been rolled back.
        while self._changed and self._changed[-1].outbox_id >= outbox_id:
            self._changes_of[self._changed.pop().key].pop()
        for change in changes if self.model is capture.model else ():
            key = _key(capture, change)
            if key in self.images:
                self._changed.append(_Changed(outbox_id, key, change.after))
                self._changes_of.setdefault(key, []).append(self._changed[-1])

    def current(self, keys: Iterable[Any], existing: "Existing") -> dict[Any, Image | None]:
        """Return the current images of the rows with these keys; None for a row already deleted."""
        images: dict[Any, Image | None] = {
            key: self.images[key] for key in keys if key in self.images
        }
        changed = [one for key in images for one in self._changes_of.get(key, ())]
        kept = existing([one.outbox_id for one in changed]) if changed else set()
        images.update({one.key: one.image for one in changed if one.outbox_id in kept})
        return images

    def take(self, sender: type[Model], existing: "Existing") -> Images:
        """Forget the rows that were deleted as `sender`; return the before-image of each row."""
        images = self.current(self._expected.pop(sender, []), existing)
        for key in images:
            del self.images[key]
        for key in (key for key, image in images.items() if image is None):
            changes = self._changes_of.get(key)
            self._gone[key] = changes[-1].outbox_id if changes else 0
        return {key: image for key, image in images.items() if image is not None}

    def outbox_id_of(self, key: Any) -> int:
        """Return the outbox id of the row's delete; 0 if another transaction has deleted it."""
        return self._gone.get(key, self.outbox_id)


Existing = Callable[[list[int]], set[int]]
"""A function that returns the given outbox ids except those whose rows were rolled back."""


class _Changed(NamedTuple):
    outbox_id: int
    key: Any
    image: Image | None


def _running(using: str) -> list[PendingDeletes]:
    """Return this connection's pending deletes whose transaction or savepoint is still open."""
    pending = _pending(using)
    for one in [one for one in pending if not one.is_running(using)]:
        pending.discard(one)  # a block that has ended does not begin again
    return list(pending)


def _pending(using: str) -> "WeakSet[PendingDeletes]":
    """Return all pending deletes of this connection, including any that have failed."""
    pending: WeakSet[PendingDeletes] = vars(connections[using]).setdefault(
        _PENDING_DELETES, WeakSet()
    )
    return pending


def _innermost_block(using: str) -> object:
    blocks = connections[using].atomic_blocks
    return blocks[-1] if blocks else None


def push_image_before(instance: Model, image: Image) -> None:
    """Store the image of the row that a save is about to update."""
    # A list, because a signal receiver may save the instance again during the save.
    instance.__dict__.setdefault(_IMAGES_BEFORE, []).append(image)


def pop_image_before(instance: Model) -> Image:
    """Remove and return the image that the innermost save of the instance has stored."""
    image: Image = instance.__dict__[_IMAGES_BEFORE].pop()
    return image


def set_unrecorded(instance: Model) -> None:
    """Mark the instance: a save is about to write its row, and its event is not recorded yet."""
    instance.__dict__[_UNRECORDED] = True


def is_unrecorded(instance: Model) -> bool:
    return _UNRECORDED in instance.__dict__


def pop_unrecorded(instance: Model) -> bool:
    """Remove the mark of `set_unrecorded`; return whether the instance had this mark."""
    return bool(instance.__dict__.pop(_UNRECORDED, False))


def set_recorded(instance: Model, recorded: Recorded) -> None:
    """Store the recorded change on the instance, and remove the mark of `set_unrecorded`."""
    instance.__dict__[_RECORDED] = recorded
    pop_unrecorded(instance)


def last_recorded(instance: Model) -> Recorded | None:
    """Return the last recorded change of the instance, if any."""
    found: Recorded | None = instance.__dict__.get(_RECORDED)
    return found


def set_pending_deletes(origin: Any, pending: PendingDeletes) -> None:
    vars(origin)[_PENDING_DELETES] = pending


def pending_deletes_of(origin: Any, capture: Capture, *, using: str) -> PendingDeletes:
    """Return the pending deletes of the captured model in the delete that `origin` has started.

    They are those of `origin` if it has this model. Otherwise, all rows of the block share them.
    """
    pending: PendingDeletes | None = getattr(origin, _PENDING_DELETES, None)
    if pending and pending.model is capture.model and pending.is_running(using):
        return pending
    block = _innermost_block(using)
    for one in _running(using) if block else ():
        if one.model is capture.model and one.is_of_block(block):
            return one
    return PendingDeletes(capture, {}, using=using)


def pop_pending_deletes(instance: Model) -> PendingDeletes | None:
    pending: PendingDeletes | None = instance.__dict__.pop(_PENDING_DELETES, None)
    return pending


def since_last_event(
    capture: Capture, changes: Iterable[Change], existing: Existing, *, using: str
) -> list[Change]:
    """Return the changes; in a pending delete, `before` is the row as of the row's last event.

    Before a cascading delete on MySQL, Django sets nullable references between the rows to NULL,
    without a signal. The next event of such a row therefore has to contain that update too.
    """
    changes = list(changes)
    known: dict[Any, Image | None] = {}
    for pending in _running(using):
        if pending.model is capture.model and pending.images:
            known |= pending.current([_key(capture, one) for one in changes], existing)
    return [
        replace(one, before=known.get(_key(capture, one)) or one.before) if one.before else one
        for one in changes
    ]


def update_pending_deletes(
    capture: Capture, changes: Sequence[Change], outbox_id: int, *, using: str
) -> None:
    """Add the changes to all running deletes; `outbox_id` is the lowest id of the changes."""
    for pending in _running(using):
        pending.changed(capture, changes, outbox_id)


def _key(capture: Capture, change: Change) -> Any:
    return (change.after or change.before or {})[capture.key.attname]
