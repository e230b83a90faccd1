"""The base class of a captured model and its queryset: every write of Django, captured."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import models, router, transaction
from django.db.models import Q

from cdc.capture import (
    BeforeImageMissing,
    Change,
    changes_between,
    close_frames,
    open_frame,
    read_images,
    record,
)
from cdc.registry import Capture, registry
from cdc.upsert import bulk_create

CHUNK = 500
"""Rows that are locked, written and read in one statement."""
_ATTEMPTS = 5


class CapturedQuerySet(models.QuerySet[Any]):
    """A queryset whose bulk writes are captured, in the same transaction and database."""

    def update(self, **values: Any) -> int:
        """Update the matching rows; each has its event.

        The rows are locked in key order (two updates with opposite orders would deadlock), the
        filter is asked again under the lock, and exactly the rows that then match are written.
        """
        capture = registry.find(self.model)
        if capture is None or not values or not self._is_plain():
            return super().update(**values)
        with transaction.atomic(using=self._writer(), savepoint=False):
            keys = self._keys()
            if self._moves_keys(values):
                return sum(self._move(capture, key, values) for key in keys)
            return sum(self._update_chunk(capture, chunk, values) for chunk in _chunks(keys))

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the matching rows and what cascades from them; each has its event."""
        capture = registry.find(self.model)
        if capture is None or not self._is_plain():
            return super().delete()
        counts: Counter[str] = Counter()
        with transaction.atomic(using=self._writer(), savepoint=False):
            for chunk in _chunks(self._keys()):
                read_images(capture, Q(pk__in=chunk), using=self.db, lock=True)
                still = self.filter(pk__in=list(self.filter(pk__in=chunk).order_by().values_list("pk", flat=True)))
                counts.update(super(CapturedQuerySet, still).delete()[1])
        return counts.total(), dict(counts)

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Any, *args: Any, **options: Any) -> list[Any]:
        """Insert the objects, or what `ignore_conflicts` and `update_conflicts` make of them."""
        capture = registry.find(self.model)
        if capture is None:
            return super().bulk_create(objs, *args, **options)
        self._for_write = True
        return bulk_create(capture, super().bulk_create, list(objs), self.db, *args, **options)

    def _is_plain(self) -> bool:
        """Return whether Django itself would not refuse to update or delete this queryset."""
        query = self.query
        return not (query.is_sliced or query.combinator or query.distinct or self._fields)

    def _writer(self) -> str:
        self._for_write = True
        return self.db

    def _keys(self) -> list[Any]:
        return list(self.using(self.db).order_by("pk").values_list("pk", flat=True).distinct())

    def _moves_keys(self, values: dict[str, Any]) -> bool:
        primary = self.model._meta.pk  # noqa: SLF001 -- public by documentation
        return bool({"pk", primary.name, primary.attname} & values.keys())

    def _update_chunk(self, capture: Capture, keys: Sequence[Any], values: dict[str, Any]) -> int:
        before = read_images(capture, Q(pk__in=keys), using=self.db, lock=True)
        matching = self.filter(pk__in=list(before)).order_by().values_list("pk", flat=True)
        before = {key: before[key] for key in sorted(set(matching))}
        count = super(CapturedQuerySet, self.filter(pk__in=list(before))).update(**values)
        after = read_images(capture, Q(pk__in=list(before)), using=self.db)
        record(capture, changes_between(before, after), using=self.db)
        return count

    def _move(self, capture: Capture, key: Any, values: dict[str, Any]) -> int:
        """Update one row whose key changes too: a delete of the old and a create of the new."""
        before = read_images(capture, Q(pk=key), using=self.db, lock=True)
        primary = self.model._meta.pk  # noqa: SLF001 -- public by documentation
        target = values.get("pk", values.get(primary.name, values.get(primary.attname)))
        value = target if hasattr(target, "resolve_expression") else models.Value(target, primary)
        row = self.filter(pk=key)
        moved = list(row.annotate(cdc_key=value).values_list("cdc_key", flat=True))
        if not moved:
            return 0
        count = super(CapturedQuerySet, row).update(**values)
        after = read_images(capture, Q(pk=moved[0]), using=self.db)
        changes = [Change(before=before[key], after=None), *(
            Change(before=None, after=image) for image in after.values()
        )]
        same = moved[0] == key
        record(capture, changes_between(before, after) if same else changes, using=self.db)
        return count


CapturedManager = models.Manager.from_queryset(CapturedQuerySet)


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

    def save_base(self, *args: Any, using: str | None = None, **options: Any) -> None:
        """Write the row and its event in one transaction."""
        using = using or router.db_for_write(type(self), instance=self)
        capture = registry.find(type(self))
        if capture is None:
            super().save_base(*args, using=using, **options)
            return
        with transaction.atomic(using=using, savepoint=False):
            self._save_captured(capture, args, {**options, "using": using})

    save_base.alters_data = True  # type: ignore[attr-defined]

    def _save_captured(self, capture: Capture, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        key, using, adding = self.pk, options["using"], self._state.adding
        for _ in range(_ATTEMPTS):
            found = open_frame(capture, self, using=using)
            try:
                # Only a save with a key that no row has yet can turn out to be an update.
                with transaction.atomic(using=using, savepoint=key is not None and found is None):
                    super().save_base(*args, **options)
                return
            except BeforeImageMissing:
                self.pk, self._state.adding = key, adding
            finally:
                close_frames(self)
        raise transaction.TransactionManagementError(
            f"{type(self).__name__} {key} was inserted and deleted by others during each of "
            f"{_ATTEMPTS} attempts to save it: save it again."
        )


def _chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]
