"""Signal receivers: what happens when a captured row is saved or deleted.

One transaction locks and reads the row, writes the row, reads it again, and adds the outbox row.
Both images are read from the database, so they contain the stored values even for F() expressions,
database defaults and truncated text.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.db import connections
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from cdc.capture.absent_rows import spare_absent_rows
from cdc.capture.changes import (
    Change,
    Origin,
    changes_between,
    refuse_early,
    refuse_unreturned_key,
    was_published,
)
from cdc.capture.images import Images, find_by_key, read_image
from cdc.capture.instance_state import (
    PendingDeletes,
    Recorded,
    pending_deletes_of,
    pop_image_before,
    pop_pending_deletes,
    set_pending_deletes,
    set_recorded,
    since_last_event,
    update_pending_deletes,
)
from cdc.errors import Refused
from cdc.outbox import table as outbox
from cdc.registry import Capture, registry


def record(capture: Capture, changes: Iterable[Change], *, using: str) -> int:
    """Write the changes to the outbox; return their lowest outbox id, or 0 without a change.

    Raise Refused if a change cannot be encoded, if no transaction is open, or if `using` is not the
    default database. Raise Misconfigured if captures conflict.
    """
    _refuse_unpublished(capture, using)
    existing = partial(outbox.existing, using=using)
    changes = [
        change
        for change in since_last_event(capture, changes, existing, using=using)
        if was_published(capture, change)
    ]
    if not changes:
        return 0
    origin = Origin.now(using)
    lowest = outbox.add([change.entry(capture, origin) for change in changes], using=using)
    update_pending_deletes(capture, changes, lowest, using=using)
    return lowest


def refuse_outside_transaction(model: type[Model], using: str) -> None:
    """Raise Refused outside a transaction, where each statement is committed on its own."""
    if not connections[using].in_atomic_block:
        raise Refused(
            f"A {model.__name__} is written outside a transaction, so its event could be "
            "lost: use transaction.atomic()."
        )


def refuse_without_event(model: type[Model], *, written: bool) -> None:
    """Raise Refused if `written`: Django wrote a row, but did not call capture's receivers."""
    if written:
        raise Refused(
            f"A {model.__name__} would be written without an event, because the signal receivers "
            "of its capture are disconnected: connect them."
        )


def _refuse_unpublished(capture: Capture, using: str) -> None:
    registry.require_sound()
    capture.refuse_database(using)
    refuse_outside_transaction(capture.model, using)


def refuse_before_save(instance: Model, capture: Capture, using: str) -> None:
    """Raise Refused if the values of the instance already show that no event can be encoded.

    Call this function before `atomic()`: an error then leaves the caller's transaction usable.
    """
    capture.refuse_database(using)
    refuse_early(capture, instance.__dict__)
    refuse_unreturned_key(capture, instance.pk, using=using)


def connect(model: type[Model]) -> None:
    """Connect the signal receivers of a captured model.

    This happens while the class is created. The receivers are moved to the front of the signal's
    list, before any receivers for all senders. Capture is therefore called first: if another
    receiver then writes the same row, that change is recorded later. The receivers are connected
    for each class, because receivers for all senders would disable Django's fast delete for every
    model of the project.
    """
    _connect_first(pre_save, _before_save, model)
    _connect_first(post_save, _after_save, model)
    _connect_first(pre_delete, _before_delete, model)
    _connect_first(post_delete, _after_delete, model)


def _connect_first(signal: Any, receiver: Callable[..., None], model: type[Model]) -> None:
    signal.connect(receiver, sender=model)
    key = (id(receiver), id(model))  # Django's lookup key for a receiver
    with signal.lock:
        signal.receivers.sort(key=lambda entry: entry[0] != key)  # keeps the order of the others
        signal.sender_receivers_cache.clear()


def lock_for_delete(instance: Model, capture: Capture, using: str) -> bool:
    """Lock the row that the instance is about to delete; return whether the row exists."""
    images = _lock(instance, capture, using)
    if images:
        set_pending_deletes(instance, PendingDeletes(capture, {**images}, using=using))
    return bool(images)


def _before_save(sender: type[Model], instance: Model, raw: bool, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    if capture is not None:
        _refuse_unpublished(capture, using)
        if raw:  # `save_base` has already checked other saves
            refuse_before_save(instance, capture, using)


def _after_save(sender: type[Model], instance: Model, created: bool, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    if capture is None:
        return
    before = None if created else pop_image_before(instance)
    after = read_image(capture, instance.pk, using=using)
    if after is None:
        raise Refused(
            f"The saved {sender.__name__} cannot be found by its key {instance.pk!r}: "
            "use a key that the database stores unchanged."
        )
    outbox_id = record(capture, [Change(before=before, after=after)], using=using)
    set_recorded(instance, Recorded(key=after[capture.key.attname], outbox_id=outbox_id))


def _before_delete(sender: type[Model], instance: Model, using: str, origin: Any, **_: Any) -> None:
    capture = registry.find(sender)
    if capture is None:
        return
    capture.refuse_database(using)
    find_by_key(capture, using=using)
    pending = pending_deletes_of(origin, capture, using=using)
    if instance.pk in pending.images:
        pending.expect(sender, [instance.pk])
    else:
        found = _lock(instance, capture, using)
        pending.expect(sender, pending.add(instance.pk, found))
        if not found and not pending.spares_absent:
            pending.spares_absent = True
            absent = partial(pending.absent, partial(outbox.existing, using=using))
            spare_absent_rows(capture, absent, using=using)
    set_pending_deletes(instance, pending)


def _after_delete(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    capture = registry.find(sender)
    pending = pop_pending_deletes(instance)
    if capture is None or pending is None:
        return
    # Django first deletes all rows of the sender and then sends one signal for each row. The first
    # call records all deletes, before another receiver can insert these rows again.
    images = pending.take(sender, partial(outbox.existing, using=using))
    if images:
        pending.outbox_id = record(capture, changes_between(images, {}), using=using)
    outbox_id = pending.outbox_id_of(instance.pk)
    set_recorded(instance, Recorded(key=instance.pk, outbox_id=outbox_id))


def _lock(instance: Model, capture: Capture, using: str) -> Images:
    image = read_image(capture, instance.pk, using=using, lock=True)
    return {} if image is None else {image[capture.key.attname]: image}
