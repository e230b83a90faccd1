"""The queryset of captured models. It captures bulk writes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from django.db import models, transaction
from django.db.models import F
from django.db.models.deletion import Collector
from django.db.models.query import ModelIterable

from cdc.capture.bulk_create import BulkCreate
from cdc.capture.changes import changes_between, refuse_early, refuse_unknown_key
from cdc.capture.images import Image, Images, found_by_key, read_images, readable_instances
from cdc.capture.instance_state import PendingDeletes, set_pending_deletes
from cdc.capture.signals import record, refuse_without_event
from cdc.capture.statements import is_random, one_time, reads_table
from cdc.errors import Refused
from cdc.registry import Capture, registry

CHUNK = 500
"""The maximum number of rows that one statement locks, writes or reads in full. Only an update that
cannot be divided into chunks may have more."""
_LARGEST_STATEMENT = 20_000
"""The maximum number of rows of an update that cannot be divided into chunks."""


class CapturedQuerySet(models.QuerySet[Any]):
    """A queryset whose bulk writes add an event for each row, in the same transaction."""

    def update(self, **values: Any) -> int:
        """Update the matching rows, with an event for each row.

        The rows are locked in key order, because two updates with opposite orders could deadlock.
        A filter that is not random is then evaluated again. Only rows that match are written.
        """
        capture = registry.find(self.model)
        if capture is None or not values or self.query.is_sliced or self.query.combinator:
            return super().update(**values)
        using = self._writer(capture)
        refuse_early(capture, _by_attname(self.model, values))
        self._refuse_groups()
        # Executes no statement. Raises Django's own errors, even if no row matches.
        models.QuerySet.update(self.none(), **values)
        with transaction.atomic(using=using, savepoint=False), one_time(using):
            keys, images = self._lock_matching(capture, using)
            if capture.key.attname in _by_attname(self.model, values):
                count = sum(self._update_key(capture, key, values, using) for key in keys)
            else:
                count = self._write(capture, keys, images, values, using)
        self._result_cache = None
        return count

    def bulk_update(
        self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Update these fields of the objects' rows, with an event for each existing row."""
        capture = registry.find(self.model)
        objs, fields = tuple(objs), list(fields)
        if capture is not None:
            # Attribute names, such as `author_id`: reading `author` would query the database.
            attnames = list(_by_attname(self.model, dict.fromkeys(fields)))
            for obj in objs:
                refuse_early(capture, {name: getattr(obj, name, None) for name in attnames})
            # `update` splits a larger batch into chunks, but each statement would contain the
            # values of the whole batch.
            batch_size = CHUNK if batch_size is None else min(batch_size, CHUNK)
        self._for_write = True
        with one_time(self.db) if capture is not None else nullcontext():
            return super().bulk_update(objs, fields, batch_size=batch_size)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the matching rows and the rows to which the delete cascades.

        Each deleted row of a captured model has an event.
        """
        capture = registry.find(self.model)
        if capture is None or self._refuses_delete():
            return super().delete()
        using = self._writer(capture)
        collector = Collector(using=using, origin=self)
        # The savepoint keeps the caller's transaction usable: Django raises errors such as
        # ProtectedError before it writes anything.
        with transaction.atomic(using=using):
            images: dict[Any, Image | None] = {}
            instances: list[Any] = []
            with one_time(using):
                keys = self._lock_matching(capture, using)[0]
            for chunk in _chunks(keys):
                found = read_images(capture, chunk, using=using)
                # A row with a value that Django cannot read must still be deletable.
                rows = _rows(self.model, using).filter(pk__in=list(found))
                instances += readable_instances(capture, rows, found)
                images |= found
            set_pending_deletes(self, PendingDeletes(capture, images, using=using))
            # One collector for all chunks: RESTRICT allows the delete of a row only together with
            # the rows that refer to it.
            collector.collect(instances)
            deleted = collector.delete()
            # The receivers remove a row's image from `images` when they record the row's event.
            refuse_without_event(self.model, written=bool(images))
        self._result_cache = None
        return deleted

    # As in Django, managers have no `delete()`: it would delete all rows.
    vars(delete)["queryset_only"] = True

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        """Insert the objects, with an event for each row that is inserted or updated."""
        capture, objs = registry.find(self.model), list(objs)
        options: dict[str, Any] = {
            "ignore_conflicts": ignore_conflicts,
            "update_conflicts": update_conflicts,
            "update_fields": update_fields,
            "unique_fields": unique_fields,
        }
        if capture is None or not objs or (batch_size is not None and batch_size <= 0):
            return super().bulk_create(objs, batch_size=batch_size, **options)
        using = self._writer(capture)
        self._refuse_options(**options)
        self._prepare_for_bulk_create(objs)  # type: ignore[attr-defined]  # absent in the stubs
        for obj in objs:
            refuse_early(capture, obj.__dict__)
            refuse_unknown_key(capture, obj.pk)
        bulk = BulkCreate(capture=capture, insert=super().bulk_create, using=using)
        with transaction.atomic(using=using, savepoint=False), one_time(using):
            if update_conflicts and unique_fields:
                bulk.require_unique_key(unique_fields)
            # As in Django, objects with keys are inserted first, so that the database does not
            # assign one of these keys.
            for chunk in _chunks(_with_key_first(objs), min(batch_size or CHUNK, CHUNK)):
                bulk.run(chunk, options)
        return objs

    def _writer(self, capture: Capture) -> str:
        self._for_write = True
        capture.refuse_database(self.db)
        return self.db

    def _refuses_delete(self) -> bool:
        query = self.query
        limited = query.is_sliced or query.combinator or query.distinct_fields
        return bool(limited) or self._iterable_class is not ModelIterable

    def _refuse_groups(self) -> None:
        """Refuse a filter on the groups of `values()`: its rows cannot be found by their keys."""
        query = self.query
        grouped = isinstance(query.group_by, tuple) and query.where.contains_aggregate
        # With joins, Django groups by the key as well.
        if grouped and query.count_active_tables() <= 1:
            raise Refused(
                f"update() of {self.model.__name__} has a filter that selects groups, because the "
                "rows are grouped by values(): use the groups in a subquery."
            )

    def _refuse_options(self, *, update_fields: Any, unique_fields: Any, **conflicts: bool) -> None:
        """Raise the errors of Django's `bulk_create` for invalid options, before any write."""
        fields, pk = self.model._meta.get_field, self.model._meta.pk.name
        self._check_bulk_create_options(  # type: ignore[attr-defined]  # absent in the stubs
            **conflicts,
            update_fields=[fields(name) for name in update_fields or ()],
            unique_fields=[fields(pk if name == "pk" else name) for name in unique_fields or ()],
        )

    def _lock_matching(self, capture: Capture, using: str) -> tuple[list[Any], Images]:
        """Lock the matching rows; return the keys and the images of the rows that still match.

        The keys are in the queryset's order, in which MySQL also updates rows. A filter may depend
        on rows of other chunks, so all chunks are locked and filtered before any row is written.
        With more than one chunk, no images are returned.
        """
        found = _keys(self, using)
        images: Images = {}
        locked: set[Any] = set()
        for chunk in _chunks(sorted(found) if self.query.order_by else found):
            images = read_images(capture, chunk, using=using, lock=True)
            locked.update(images)
        if found and not is_random(_only_keys(self, using)):
            # The whole queryset, not only the locked rows: a window function or an aggregate
            # has a different value if it is computed from fewer rows.
            locked.intersection_update(_keys(self, using))
        return [key for key in found if key in locked], images if len(found) <= CHUNK else {}

    def _write(
        self, capture: Capture, keys: list[Any], images: Images, values: dict[str, Any], using: str
    ) -> int:
        count = 0
        whole = len(keys) > CHUNK and self._depends_on_rows(keys, values, using)
        if whole and len(keys) > _LARGEST_STATEMENT:
            raise Refused(
                f"update() of {len(keys)} rows of {capture.table} uses a subquery or raw SQL that "
                "may read the same table, so it must be one statement. One statement may write at "
                f"most {_LARGEST_STATEMENT} rows: update fewer rows at once."
            )
        for chunk in _chunks(keys, len(keys) if whole else CHUNK):
            before = {key: images[key] for key in chunk if key in images}
            before = before or read_images(capture, chunk, using=using)
            with found_by_key(capture, using=using):
                count += models.QuerySet.update(self._rows_with_keys(chunk, using), **values)
            after = read_images(capture, chunk, using=using)
            record(capture, changes_between(before, after), using=using)
        return count

    def _depends_on_rows(self, keys: list[Any], values: Mapping[str, Any], using: str) -> bool:
        """Return whether a value may depend on rows that an earlier chunk would have changed."""
        rows = self._rows_with_keys(keys[:1], using)
        annotations = self.query.annotations
        return any(reads_table(rows, value, value) for value in values.values()) or any(
            reads_table(rows, value, F(name)) for name, value in annotations.items()
        )

    def _rows_with_keys(self, keys: Sequence[Any], using: str) -> models.QuerySet[Any]:
        """Return a queryset of these keys, with the annotations to which an update may refer."""
        if not self.query.annotations:
            plain = _rows(self.model, using).order_by(*self.query.order_by)
            plain.query.standard_ordering = self.query.standard_ordering
            return plain.filter(pk__in=keys)
        rows = self.using(using)
        rows.query.clear_where()
        return rows.filter(pk__in=keys)

    def _update_key(self, capture: Capture, key: Any, values: dict[str, Any], using: str) -> int:
        """Update one row and its key; a new key causes two events, a delete and a create."""
        before = read_images(capture, [key], using=using, lock=True)
        row = self._rows_with_keys([key], using)
        values = _with_evaluated_key(capture, row, values)
        count = models.QuerySet.update(row, **values)
        target = _by_attname(self.model, values)[capture.key.attname]
        after = read_images(capture, [target], using=using)
        if count and not after:
            raise Refused(
                f"The row {key!r} of {capture.table} cannot be found under its new key {target!r}: "
                "use a key that the database stores unchanged."
            )
        record(capture, changes_between(before, after), using=using)
        return count


CapturedManager = models.Manager.from_queryset(CapturedQuerySet)


def _rows(model: type[models.Model], using: str) -> models.QuerySet[Any]:
    return models.QuerySet(model, using=using)


def _keys(rows: models.QuerySet[Any], using: str) -> list[Any]:
    # A join may return a row several times.
    return list(dict.fromkeys(_only_keys(rows, using)))


def _only_keys(rows: models.QuerySet[Any], using: str) -> models.QuerySet[Any, Any]:
    rows = rows.using(using).prefetch_related(None)
    rows.query.select_for_update = False
    if not rows.query.order_by:
        rows = rows.order_by("pk")
    return rows.values_list("pk", flat=True)


def _with_evaluated_key(
    capture: Capture, row: models.QuerySet[Any], values: dict[str, Any]
) -> dict[str, Any]:
    """Return an update's values; if the new key is an expression, replace it with its value.

    In the next statement, an expression such as `Random()` would have a different value.
    """
    (name,) = (name for name in values if row.model._meta.get_field(name).primary_key)
    if not hasattr(values[name], "resolve_expression"):
        return values
    target = row.annotate(cdc_key=values[name]).values_list("cdc_key", flat=True).get()
    if target is not None:
        capture.key.to_wire(target)  # refuses 1.5, which databases round and Django truncates
    return {**values, name: target}


def _with_key_first(objs: Iterable[Any]) -> list[Any]:
    return sorted(objs, key=lambda obj: obj.pk is None)


def _by_attname(model: type[models.Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an update by attribute name."""
    fields = {name: model._meta.get_field(name) for name in values}
    return {getattr(fields[name], "attname", name): value for name, value in values.items()}


def _chunks(items: Sequence[Any], size: int | None = None) -> Iterator[Sequence[Any]]:
    size = size or CHUNK
    for start in range(0, len(items), size):
        yield items[start : start + size]
