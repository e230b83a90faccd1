"""Captured `bulk_create`: finds out which rows it inserted or updated."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connections, models, transaction
from django.db.models import Q

from cdc.capture.changes import Change, changes_between
from cdc.capture.handlers import record
from cdc.capture.images import Images, images_where, read_images
from cdc.capture.instance_state import Recorded, set_recorded
from cdc.errors import Refused
from cdc.registry import Capture

_ATTEMPTS = 5
_LAST_INSERT = {
    "mysql": "SELECT ROW_COUNT(), LAST_INSERT_ID(), @@auto_increment_increment",
    "sqlite": "SELECT changes(), last_insert_rowid(), 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCreate:
    """Inserts chunks of objects, and records exactly the rows that were inserted or updated."""

    capture: Capture
    insert: Callable[..., list[Any]]
    """Django's own `bulk_create`, bound to the queryset."""
    using: str

    def run(self, objs: Sequence[Any], options: Mapping[str, Any]) -> None:
        """Insert `objs` as Django would with `options`; must run in a transaction."""
        for obj in objs:
            self.capture.refuse_early(obj.__dict__)
        if options["update_conflicts"]:
            for obj in objs:
                self._upsert(obj, options)
        elif options["ignore_conflicts"]:
            keys = [self._insert_or_ignore(obj) for obj in objs]
            self._record_created([key for key in keys if key is not None])
        else:
            outbox_id = self._record_created(self._insert(objs))
            for obj in objs:
                set_recorded(obj, Recorded(key=obj.pk, outbox_id=outbox_id))

    def _insert(self, objs: Sequence[Any]) -> list[Any]:
        """Insert all, set the keys of the objects and return them.

        A database that returns no keys gives consecutive ones to the rows of one statement.
        """
        self.insert(list(objs))
        unknown = [obj for obj in objs if obj.pk is None]
        if unknown:
            _, first, step = self._last_insert()
            for index, obj in enumerate(unknown):
                obj.pk = first + index * step
                obj._state.adding, obj._state.db = False, self.using
        return [obj.pk for obj in objs]

    def _insert_or_ignore(self, obj: Any) -> Any:
        """Return the new row's key, or None if a conflict was ignored.

        Each row is a statement of its own: a count of several rows does not show which of them
        were ignored.
        """
        self.insert([obj], ignore_conflicts=True)
        count, last, _ = self._last_insert()
        if count < 1:
            return None
        return last if obj.pk is None else obj.pk

    def _last_insert(self) -> tuple[int, int, int]:
        connection = connections[self.using]
        with connection.cursor() as cursor:
            cursor.execute(_LAST_INSERT[connection.vendor])
            count, last, step = cursor.fetchone()
        return count, last, step

    def _record_created(self, keys: Sequence[Any]) -> int:
        if not keys:
            return 0
        after = read_images(self.capture, keys, using=self.using)
        if len(after) != len(keys):
            raise Refused(
                f"Only {len(after)} of {len(keys)} new rows of {self.capture.table} are found by "
                "their keys: use keys that the database stores unchanged."
            )
        return record(self.capture, changes_between({}, after), using=self.using)

    def _upsert(self, obj: Any, options: Mapping[str, Any]) -> None:
        """Update the row that `obj` conflicts with, or insert it.

        A row that is found is locked, so the statement updates it. If none is found, a plain
        insert follows: a row inserted by another transaction in between causes an error and is
        found by the next attempt, so no row is updated without its image.
        """
        for _ in range(_ATTEMPTS):
            before = self._conflicting(obj)
            if before:
                self.insert([obj], **options)
                after = read_images(self.capture, before, using=self.using)
                record(self.capture, _updated(before, after), using=self.using)
                return
            try:
                with transaction.atomic(using=self.using):
                    keys = self._insert([obj])
            except IntegrityError:
                continue
            self._record_created(keys)
            return
        self._record_created(self._insert([obj]))

    def _conflicting(self, obj: Any) -> Images:
        """Lock and return the rows that conflict with `obj` in a unique key."""
        found: Images = {}
        # One statement for each key: with OR, unrelated rows may be locked too.
        for condition in _conflicts(obj):
            found |= images_where(self.capture, condition, using=self.using, lock=True)
        return found


def _updated(before: Images, after: Images) -> Iterator[Change]:
    """Yield the change of the row that was updated; of several candidates, those that differ."""
    changes = list(changes_between(before, after))
    for change in changes:
        if len(changes) == 1 or change.before != change.after:
            yield change


def _conflicts(obj: models.Model) -> Iterator[Q]:
    for names in _unique_keys(type(obj)):
        values = {name: getattr(obj, name) for name in names}
        # NULL does not equal another NULL.
        if all(value is not None for value in values.values()):
            yield Q(**values)


def _unique_keys(model: type[models.Model]) -> Iterable[tuple[str, ...]]:
    options = model._meta
    yield from ((field.attname,) for field in options.concrete_fields if field.unique)
    together = [*options.unique_together, *(key.fields for key in options.total_unique_constraints)]
    attnames = {field.name: field.attname for field in options.concrete_fields}
    for names in together:
        yield tuple(attnames[name] for name in names)
