"""The base class of a captured model: its saves and deletes are captured."""

from collections.abc import Iterable
from typing import Any

from django.db import models, router, transaction

from cdc.capture.handlers import connect, lock_for_delete
from cdc.capture.images import read_image
from cdc.capture.instance_state import push_image_before
from cdc.capture.queryset import CapturedManager
from cdc.registry import registry


class CapturedModel(models.Model):
    """A model whose every committed change has an event, and no other.

    Django's `save()` commits before it sends `post_save` when no transaction is open; here the
    row, its images and its outbox row are one transaction.
    """

    objects = CapturedManager()

    class Meta:
        abstract = True
        # Cascades and related managers write through the base manager.
        base_manager_name = "objects"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        connect(cls)

    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write the row and its event in one transaction; a raw save brings its own."""
        using = using or router.db_for_write(type(self), instance=self)
        if raw or registry.find(type(self)) is None:
            super().save_base(raw, force_insert, force_update, using, update_fields)
            return
        with transaction.atomic(using=using, savepoint=False):
            super().save_base(raw, force_insert, force_update, using, update_fields)

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Delete the row and what cascades from it; each has its event.

        A row that is not found under the lock is not deleted at all, and no signal is sent: one
        that another writer puts back at that moment would go without an event.
        """
        using = using or router.db_for_write(type(self), instance=self)
        capture = registry.find(type(self))
        if capture is None or self.pk is None:
            return super().delete(using, keep_parents)
        with transaction.atomic(using=using, savepoint=False):
            if lock_for_delete(self, capture, using):
                return super().delete(using, keep_parents)
        setattr(self, self._meta.pk.attname, None)  # as Django leaves it
        return 0, {self._meta.label: 0}

    def _do_update(self, *args: Any, **options: Any) -> Any:
        """Update the row if it is there; Django inserts it otherwise.

        A row that is not found under the lock is not updated at all, so a save can never turn out
        to be the update of a row whose image nobody has seen.
        """
        _, using, key = args[:3]
        capture = registry.find(type(self))
        if capture is not None:
            before = read_image(capture, key, using=using, lock=True)
            if before is None:
                return []
            push_image_before(self, before)
        return super()._do_update(*args, **options)
