"""`bulk_create` for captured models: determines which rows were inserted or updated."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connections, models, transaction
from django.db.models import Q

from cdc.capture.changes import changes_between
from cdc.capture.conflicts import conflicts, new_values
from cdc.capture.images import Images, images_where, read_images
from cdc.capture.instance_state import Recorded, set_recorded
from cdc.capture.signals import record
from cdc.errors import Refused
from cdc.registry import Capture

_ATTEMPTS = 5
_LAST_INSERT = {
    "mysql": "SELECT ROW_COUNT(), LAST_INSERT_ID(), @@auto_increment_increment",
    "sqlite": "SELECT changes(), last_insert_rowid(), 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCreate:
    """Inserts chunks of objects, and captures exactly the rows that were inserted or updated."""

    capture: Capture
    insert: Callable[..., list[Any]]
    """Django's `bulk_create`, bound to the queryset."""
    using: str

    def run(self, objs: Sequence[Any], options: Mapping[str, Any]) -> None:
        """Insert `objs` with the `options` of Django's `bulk_create`; must run in a transaction."""
        if options["update_conflicts"]:
            for obj in objs:
                self._upsert(obj, options)
        elif options["ignore_conflicts"]:
            self._record_created(objs, [self._insert_or_ignore(obj) for obj in objs])
        else:
            self._record_created(objs, self._insert(objs))

    def require_unique_key(self, names: Iterable[str]) -> None:
        """Raise the database's own error if these fields are not a unique key of the table.

        Django's INSERT would raise it, but capture uses a plain INSERT for a row without conflicts.
        """
        options: Any = self.capture.model._meta
        quote = connections[self.using].ops.quote_name
        fields = [options.pk if name == "pk" else options.get_field(name) for name in names]
        columns = ", ".join(quote(field.column) for field in fields)
        table, key = quote(self.capture.table), quote(self.capture.key.name)
        # Safe: the names are those of the model. The statement inserts no row.
        sql = f"INSERT INTO {table} ({key}) SELECT {key} FROM {table} WHERE 1 = 0"  # noqa: S608
        with connections[self.using].cursor() as cursor:
            cursor.execute(f"{sql} ON CONFLICT ({columns}) DO NOTHING")

    def _insert(self, objs: Sequence[Any]) -> list[Any]:
        """Insert all objects, set their keys and return the keys.

        If the database does not return the keys, they are computed from the first key: one INSERT
        assigns keys in equal steps.
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
        """Return the key of the new row, or None if a conflict was ignored.

        Each object has its own statement, because the row count of a statement with several objects
        does not show which objects were ignored.
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

    def _record_created(self, objs: Sequence[Any], keys: Sequence[Any]) -> None:
        """Record the new rows of `objs`. In `keys`, None means that the object has no new row."""
        created = {key: obj for obj, key in zip(objs, keys, strict=True) if key is not None}
        if not created:
            return
        after = read_images(self.capture, list(created), using=self.using)
        if len(after) != len(created):
            raise Refused(
                f"Only {len(after)} of {len(created)} new rows of {self.capture.table} can be "
                "found by their keys: use keys that the database stores unchanged."
            )
        outbox_id = record(self.capture, changes_between({}, after), using=self.using)
        for key, obj in created.items():
            set_recorded(obj, Recorded(key=key, outbox_id=outbox_id))

    def _upsert(self, obj: Any, options: Mapping[str, Any]) -> None:
        """Update the row that `obj` conflicts with, or insert `obj`.

        A conflicting row is found and locked first. The INSERT fails if another transaction inserts
        a conflicting row after the search. The next attempt finds and locks that row.
        """
        for _ in range(_ATTEMPTS):
            before = self._conflicting(obj, options["unique_fields"])
            if before:
                self._overwrite(obj, before, options)
                return
            try:
                with transaction.atomic(using=self.using):
                    keys = self._insert([obj])
            except IntegrityError:
                continue
            self._record_created([obj], keys)
            return
        self._record_created([obj], self._insert([obj]))

    def _conflicting(self, obj: Any, unique_fields: Sequence[str] | None) -> Images:
        """Lock and return the first row that conflicts with `obj`, if any."""
        rows: models.QuerySet[Any] = models.QuerySet(self.capture.model, using=self.using)
        for condition in conflicts(obj, unique_fields, using=self.using):
            # The first search takes no locks: a locking scan would wait for locks on other rows.
            keys = list(rows.filter(condition).values_list("pk", flat=True))
            locked = Q(pk__in=keys) & condition
            if keys and (found := images_where(self.capture, locked, using=self.using, lock=True)):
                return found
        return {}

    def _overwrite(self, obj: Any, before: Images, options: Mapping[str, Any]) -> None:
        if len(before) > 1:
            raise Refused(
                f"{self.capture.table} has {len(before)} rows with the same values in a key that "
                "is unique in the model: remove the duplicate rows, then create the unique key in "
                "the database."
            )
        (key,) = before
        if options["unique_fields"]:
            # The INSERT fails if `obj` also conflicts with another row, in another unique key.
            self.insert([obj], **options)
        else:
            # MySQL's ON DUPLICATE KEY UPDATE could update another row, which was inserted after the
            # search.
            rows: models.QuerySet[Any] = models.QuerySet(self.capture.model, using=self.using)
            rows.filter(pk=key).update(**new_values(obj, options["update_fields"]))
        after = read_images(self.capture, [key], using=self.using)
        outbox_id = record(self.capture, changes_between(before, after), using=self.using)
        obj.pk = key if obj.pk is None else obj.pk
        obj._state.adding, obj._state.db = False, self.using
        set_recorded(obj, Recorded(key=key, outbox_id=outbox_id))
