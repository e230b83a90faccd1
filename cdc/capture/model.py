"""The base class of a captured model: its saves and deletes are captured."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connections, models, router, transaction

from cdc.capture.changes import problems_of
from cdc.capture.handlers import connect, lock_for_delete, refuse_before_save
from cdc.capture.images import read_image
from cdc.capture.instance_state import pop_unrecorded, push_image_before, set_unrecorded
from cdc.capture.queryset import CapturedManager
from cdc.registry import registry
from cdc.wire.columns import LARGEST_INTEGER


class CapturedModel(models.Model):
    """A model whose committed changes each have exactly one event.

    Without an open transaction, Django's `save()` commits before it sends `post_save`. Here the row
    and its outbox row are written in one transaction.
    """

    objects = CapturedManager()

    class Meta:
        abstract = True
        # Cascades and related managers write through the base manager.
        base_manager_name = "objects"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        connect(cls)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Validate the values, also that an event can hold them; so a form keeps what was typed."""
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
        """Write the row and its event in one transaction; a raw save must be in one already."""
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
        """Delete the row and what cascades from it, each with an event.

        If the row cannot be locked because it does not exist, nothing is deleted and no signal is
        sent. Without this rule, a row that another transaction inserts at that moment would be
        deleted without an event.
        """
        using = using or router.db_for_write(type(self), instance=self)
        capture = registry.find(type(self))
        if capture is None or self.pk is None:
            return super().delete(using, keep_parents)
        capture.refuse_database(using)
        # With a savepoint: Django raises ProtectedError and the like before it writes anything, and
        # the caller's transaction remains usable.
        with transaction.atomic(using=using):
            if lock_for_delete(self, capture, using):
                return super().delete(using, keep_parents)
        setattr(self, self._meta.pk.attname, None)  # as Django leaves it
        return 0, {self._meta.label: 0}

    def _save_table(self, *args: Any, **options: Any) -> Any:
        set_unrecorded(self)
        saved = super()._save_table(*args, **options)  # type: ignore[misc]  # absent in the stubs
        if isinstance(self.pk, int) and self.pk > LARGEST_INTEGER:
            # The driver reads the last id of MySQL as unsigned, also when the key is negative.
            self.pk -= 2**64
        return saved

    def _do_update(self, *args: Any, **options: Any) -> Any:
        """Update the row if it exists; otherwise Django inserts it.

        A row that does not exist when it is locked is never updated, so every update has an image
        from before.
        """
        _, using, key = args[:3]
        capture = registry.find(type(self))
        if capture is not None:
            before = read_image(capture, key, using=using, lock=True)
            if before is None:
                return []
            push_image_before(self, before)
        return super()._do_update(*args, **options)


@contextmanager
def _atomic_once_written(instance: models.Model, using: str) -> Iterator[None]:
    """Ensure that a row is not committed without its event.

    Inside the caller's transaction an error rolls that back only if a row may be without an event:
    one that a `pre_save` receiver raises leaves it usable, as in Django.
    """
    if not connections[using].in_atomic_block:
        with transaction.atomic(using=using):
            yield
        return
    pop_unrecorded(instance)  # of an earlier save that failed outside a transaction
    try:
        yield
    finally:
        if pop_unrecorded(instance):
            transaction.set_rollback(True, using=using)
