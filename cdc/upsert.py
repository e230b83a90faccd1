"""Captured `bulk_create`: which rows it inserted or updated, on databases that do not say."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import IntegrityError, connections, models, transaction
from django.db.models import Q

from cdc.capture import Change, changes_between, read_images, record
from cdc.registry import Capture

_CHUNK = 500
_ATTEMPTS = 5
_LAST_INSERT = {
    "mysql": "SELECT ROW_COUNT(), LAST_INSERT_ID()",
    "sqlite": "SELECT changes(), last_insert_rowid()",
}

Insert = Callable[..., list[Any]]
"""Django's own `bulk_create`, bound to the queryset."""


def bulk_create(
    capture: Capture,
    insert: Insert,
    objs: list[Any],
    using: str,
    batch_size: int | None = None,
    ignore_conflicts: bool = False,
    update_conflicts: bool = False,
    **options: Any,
) -> list[Any]:
    """Insert `objs` as Django would, and record exactly the rows that came or changed."""
    with transaction.atomic(using=using, savepoint=False):
        if update_conflicts:
            for obj in _fresh(objs):
                _upsert(capture, insert, obj, using, {**options, "update_conflicts": True})
            return objs
        if ignore_conflicts:
            keys = [_insert_one(insert, obj, using, ignore_conflicts=True) for obj in objs]
        else:
            keys = _insert_all(insert, objs, using, batch_size)
        _record_created(capture, [key for key in keys if key is not None], using)
    return objs


def _insert_all(insert: Insert, objs: list[Any], using: str, batch_size: int | None) -> list[Any]:
    """Insert all and return their keys, with one statement a batch where that tells them."""
    tells = connections[using].features.can_return_rows_from_bulk_insert
    if tells or all(obj.pk is not None for obj in objs):
        return [obj.pk for obj in insert(objs, batch_size=batch_size)]
    for obj in objs:
        obj.pk = _insert_one(insert, obj, using)
        obj._state.adding, obj._state.db = False, using  # noqa: SLF001 -- documented state
    return [obj.pk for obj in objs]


def _insert_one(insert: Insert, obj: Any, using: str, **options: Any) -> Any:
    """Insert one object and return its key; None when a conflict was ignored."""
    known = obj.pk
    insert([obj], **options)
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_LAST_INSERT[connection.vendor])
        count, last = cursor.fetchone()
    if count < 1:
        return None
    return obj.pk if known is not None or obj.pk is not None else last


def _record_created(capture: Capture, keys: list[Any], using: str) -> None:
    for start in range(0, len(keys), _CHUNK):
        after = read_images(capture, Q(pk__in=keys[start : start + _CHUNK]), using=using)
        record(capture, changes_between({}, after), using=using)


def _upsert(
    capture: Capture, insert: Insert, obj: Any, using: str, options: dict[str, Any]
) -> None:
    """Update the row that `obj` conflicts with, or insert it.

    A row found is locked, so the statement updates it; a row not found is inserted plainly, so
    that one which came in between is an error and found the next time, never updated unseen.
    """
    for _ in range(_ATTEMPTS):
        condition = _conflicts(obj)
        before = read_images(capture, condition, using=using, lock=True) if condition else {}
        if before:
            insert([obj], **options)
            after = read_images(capture, condition | Q(pk__in=list(before)), using=using)
            record(capture, _touched(before, after), using=using)
            return
        try:
            with transaction.atomic(using=using):
                key = _insert_all(insert, [obj], using, None)[0]
        except IntegrityError:
            if not condition:
                raise
            continue
        _record_created(capture, [key], using)
        return
    insert([obj])


def _touched(before: dict[Any, Any], after: dict[Any, Any]) -> list[Change]:
    changes = list(changes_between(before, after))
    if len(changes) == 1:
        return changes
    return [change for change in changes if change.before != change.after]


def _conflicts(obj: Any) -> Q:
    """Return the condition of the rows that a unique key forbids beside `obj`."""
    condition = Q()
    for names in _unique_keys(type(obj)):
        values = {name: getattr(obj, name) for name in names}
        if all(value is not None for value in values.values()):
            condition |= Q(**values)
    return condition


def _unique_keys(model: type[models.Model]) -> Iterable[tuple[str, ...]]:
    options = model._meta  # noqa: SLF001 -- public by documentation
    yield from ((field.attname,) for field in options.concrete_fields if field.unique)
    yield from options.unique_together
    yield from (constraint.fields for constraint in options.total_unique_constraints)


def _fresh(objs: list[Any]) -> list[Any]:
    return list(objs)
