"""The base class of captured models. It captures saves and deletes."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connections, models, router, transaction

from cdc.capture import base_manager
from cdc.capture.changes import problems_of
from cdc.capture.images import read_image
from cdc.capture.instance_state import (
    is_unrecorded,
    pop_pending_deletes,
    pop_unrecorded,
    push_image_before,
    set_unrecorded,
)
from cdc.capture.queryset import CapturedManager
from cdc.capture.signals import (
    connect,
    lock_for_delete,
    refuse_before_save,
    refuse_without_event,
)
from cdc.registry import registry
from cdc.wire.columns import LARGEST_INTEGER


class CapturedModel(models.Model):
    """A model that adds exactly one event for each committed change of a row.

    Outside a transaction, Django's `save()` commits before it sends `post_save`. This class
    therefore writes the row and its outbox row in one transaction.
    """

    objects = CapturedManager()

    class Meta:
        abstract = True
        # Cascades and related managers write through the base manager. If the model defines its
        # own `objects`, which may hide rows, `capture/base_manager.py` uses a different manager.
        base_manager_name = "objects"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        connect(cls)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Validate the values, and check that they can be encoded as an event.

        If they cannot, a form shows the problem and keeps the input.
        """
        super().clean_fields(exclude)
        capture = registry.find(type(self))
        if capture is None:
            return
        using = self._state.db or router.db_for_write(type(self), instance=self)
        errors: dict[str, str] = {}
        for attname, problem in problems_of(capture, self, using=using).items():
            field = self._meta.get_field(attname)
            name = field.name if field.name not in (exclude or ()) else NON_FIELD_ERRORS
            errors.setdefault(name, problem)
        if errors:
            raise ValidationError({name: f"Not saved. {text}" for name, text in errors.items()})

    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write the row and its event in one transaction.

        A raw save, such as that of `loaddata`, requires an open transaction.
        """
        using = using or router.db_for_write(type(self), instance=self)
        capture = registry.find(type(self))
        if raw or capture is None:
            super().save_base(raw, force_insert, force_update, using, update_fields)
            return
        refuse_before_save(self, capture, using)
        with _atomic_once_written(self, using):
            super().save_base(raw, force_insert, force_update, using, update_fields)

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Delete the row and the rows to which the delete cascades.

        Each deleted row of a captured model has an event. If the row does not exist, no DELETE is
        executed and no signal is sent: a DELETE could remove, without an event, a row that another
        transaction inserts at that moment.
        """
        using = using or router.db_for_write(type(self), instance=self)
        capture = registry.find(type(self))
        if capture is None or self.pk is None:
            return super().delete(using, keep_parents)
        capture.refuse_database(using)
        # The savepoint keeps the caller's transaction usable: Django raises errors such as
        # ProtectedError before it writes anything.
        with transaction.atomic(using=using):
            if lock_for_delete(self, capture, using):
                deleted = super().delete(using, keep_parents)
                refuse_without_event(type(self), written=pop_pending_deletes(self) is not None)
                return deleted
        setattr(self, self._meta.pk.attname, None)  # as Django does
        return 0, {self._meta.label: 0}

    def _save_table(self, *args: Any, **options: Any) -> Any:
        set_unrecorded(self)
        saved = super()._save_table(*args, **options)  # type: ignore[misc]  # absent in the stubs
        if isinstance(self.pk, int) and self.pk > LARGEST_INTEGER:
            # The MySQL driver returns a negative last id as an unsigned integer.
            self.pk -= 2**64
        return saved

    def _do_update(self, *args: Any, **options: Any) -> Any:
        """Lock the row, store its image, and update it.

        If the row does not exist, Django inserts it, or raises an error if the save must update.
        """
        _, using, key = args[:3]
        capture = registry.find(type(self))
        if capture is not None:
            before = read_image(capture, key, using=using, lock=True)
            if before is None:
                return []
            push_image_before(self, before)
        return super()._do_update(*args, **options)


base_manager.connect(CapturedModel)


@contextmanager
def _atomic_once_written(instance: models.Model, using: str) -> Iterator[None]:
    """Ensure that a row is not committed without its event.

    In a transaction that the caller has opened, an error forces a rollback only if the row may have
    been written without an event. If a `pre_save` receiver raises an error, for example, the
    transaction stays usable, as in Django.
    """
    if not connections[using].in_atomic_block:
        with transaction.atomic(using=using):
            yield
            refuse_without_event(type(instance), written=pop_unrecorded(instance))
        return
    pop_unrecorded(instance)  # left by an earlier save that failed outside a transaction
    try:
        yield
        refuse_without_event(type(instance), written=is_unrecorded(instance))
    finally:
        if pop_unrecorded(instance):
            transaction.set_rollback(True, using=using)
