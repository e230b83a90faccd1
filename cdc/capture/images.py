"""Images: the stored content of captured rows, read with or without a lock."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import OperationalError, connections
from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.lookups import Exact

from cdc.capture.stored_values import converted, selected
from cdc.errors import Refused
from cdc.registry import Capture

Image = dict[str, Any]
"""The values of a row by attribute name, without the values that Django cannot read."""
Images = dict[Any, Image]
"""Images by key, in key order."""
_UNREADABLE = (ValueError, TypeError, ArithmeticError, RecursionError, OperationalError)
"""The errors raised for stored values that Python cannot represent, such as 25:00:00."""
_FOUND_BY_KEY = "_cdc_found_by_key"
_NOT_UTF_8 = "Could not decode to UTF-8"
"""Part of SQLite's error for text that is not valid UTF-8. MySQL does not store such text."""


def read_images(capture: Capture, keys: Iterable[Any], *, using: str, lock: bool = False) -> Images:
    """Return the rows with these keys; `lock` locks them until the transaction ends."""
    with found_by_key(capture, using=using) if lock else nullcontext():
        return images_where(capture, Q(pk__in=list(keys)), using=using, lock=lock)


def images_where(capture: Capture, condition: Q, *, using: str, lock: bool = False) -> Images:
    """Return the rows that meet `condition`; `lock` locks them until the transaction ends."""
    return _images(capture, _rows(capture.model, using, lock=lock).filter(condition))


def images_after(capture: Capture, last: Any, limit: int, condition: Q, *, using: str) -> Images:
    """Return up to `limit` rows with keys above `last` that meet `condition`, in key order.

    Raise Refused if Django reads a key as None, because the next rows could not be found.
    """
    after = Q() if last is None else Q(pk__gt=last)
    rows = _rows(capture.model, using, lock=False).filter(after, condition)
    images = _images(capture, rows[:limit])
    _refuse_null(capture, images)
    return images


def keys_after(capture: Capture, last: Any, limit: int, condition: Q, *, using: str) -> list[Any]:
    """Return the keys of the rows that `images_after` returns."""
    after = Q() if last is None else Q(pk__gt=last)
    rows = _rows(capture.model, using, lock=False).filter(after, condition)
    keys = list(rows.values_list("pk", flat=True)[:limit])
    _refuse_null(capture, keys)
    return keys


def _refuse_null(capture: Capture, keys: Iterable[Any]) -> None:
    if None in keys:
        raise Refused(
            f"{capture.table} has a row whose key is read as null (for example 0000-00-00): "
            "correct the key with SQL."
        )


@contextmanager
def found_by_key(capture: Capture, *, using: str) -> Iterator[None]:
    """Make MySQL use the primary key for statements that select rows by key.

    For a small table, MySQL prefers a scan. A scan that locks or deletes rows waits for every row
    that another transaction has written, and two such scans deadlock. An index hint never changes
    which rows a statement finds.
    """
    connection = connections[using]
    if connection.vendor != "mysql":
        yield
        return
    with connection.execute_wrapper(_hinted(capture, using)):
        yield


def find_by_key(capture: Capture, *, using: str) -> None:
    """Do what `found_by_key` does, until the innermost transaction or savepoint ends.

    Cascades need this function: Django calls the signal receivers before it deletes the rows, but
    after an error it calls no receiver that could remove the hint.
    """
    connection = connections[using]
    blocks, wrappers = connection.atomic_blocks, connection.execute_wrappers
    hinted: dict[Capture, object] = vars(connection).setdefault(_FOUND_BY_KEY, {})
    if connection.vendor != "mysql" or not blocks or hinted.get(capture) in blocks:
        return
    block = hinted[capture] = blocks[-1]
    hint = _hinted(capture, using)

    def until_the_end(execute: Callable[..., Any], *statement: Any) -> Any:
        if block in connection.atomic_blocks:
            return hint(execute, *statement)
        wrappers.remove(until_the_end)
        return execute(*statement)

    # Insert at the start, because `execute_wrapper` removes the last wrapper when it ends.
    wrappers.insert(0, until_the_end)


def _hinted(capture: Capture, using: str) -> Callable[..., Any]:
    hint = _Hint.of(capture, connections[using].ops.quote_name)

    def hinted(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        return execute(hint.added_to(sql), *rest)

    return hinted


@dataclass(frozen=True, slots=True)
class _Hint:
    """Adds an index hint to the statements that Django generates for one table."""

    table: str
    key: str
    other: str
    """A column other than the key, or the key if the table has no other column."""

    @classmethod
    def of(cls, capture: Capture, quote: Callable[[str], str]) -> "_Hint":
        names = [column.name for column in capture.columns if column is not capture.key]
        key = capture.key.name
        return cls(quote(capture.table), quote(key), quote(names[0] if names else key))

    def added_to(self, sql: str) -> str:
        """Return the statement with the hint if it selects rows by key, otherwise unchanged."""
        named, forced = f"{self.table}.{self.key} IN (", f"{self.table} FORCE INDEX (PRIMARY)"
        verb, _, rest = sql.partition(self.table)
        if verb == "DELETE FROM " and rest.startswith(f" WHERE {named}"):
            # Only a multi-table DELETE accepts a hint. The optimizer ignores the hint if the
            # statement reads only the key, so the condition also names another column.
            column = f"{self.table}.{self.other}"
            start = f"DELETE {self.table} FROM {forced}"
            return f"{start} WHERE ({column} IS NULL OR {column} IS NOT NULL) AND{rest[6:]}"
        if verb == "UPDATE " and f" WHERE {named}" in rest:
            return verb + forced + rest
        if verb.startswith("SELECT ") and sql.endswith(" FOR UPDATE"):
            start = f" FROM {self.table} WHERE {named}"
            return sql.replace(start, f" FROM {forced} WHERE {named}", 1)
        return sql


def read_image(capture: Capture, key: Any, *, using: str, lock: bool = False) -> Image | None:
    """Return the row with this key, or None.

    A save that updates a row reads the row twice. The SQL is cached, because Django takes several
    times as long to build it as the database takes to execute it.
    """
    statement = _statement(capture, using, lock)
    connection = connections[using]
    primary = capture.model._meta.pk
    # The key is converted as for a lookup: the conversion for an insert rejects the key 0 on MySQL.
    value = primary.get_db_prep_value(primary.get_prep_value(key), connection, prepared=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, [value])
            row = cursor.fetchone()
        if row is None:
            return None
        image = dict(zip(capture.attnames, row, strict=True))
        for name, expression, converters in statement.converters:
            for convert in converters:
                image[name] = convert(image[name], expression, connection)
    except _UNREADABLE as error:
        _raise_unless_unreadable(error)
        rows = _rows(capture.model, using, lock=lock).filter(pk=key)
        return next(iter(_readable(capture, rows).values()), None)
    return image


def readable_instances(capture: Capture, rows: QuerySet[Any], images: Images) -> list[Any]:
    """Return the instances of these rows; values that Django cannot read are deferred."""
    unread = {name for image in images.values() for name in capture.unread(image)}
    try:
        return list(rows.defer(*unread))
    except _UNREADABLE as error:
        _raise_unless_unreadable(error)
        # The images have these columns, because they were read without the fields' conversions.
        return list(rows.defer(*unread, *converted(capture)))


def _images(capture: Capture, rows: QuerySet[Any]) -> Images:
    key, names = capture.key.attname, capture.attnames
    found = rows.values_list(*selected(capture))
    try:
        images = [dict(zip(names, row, strict=True)) for row in found]
    except _UNREADABLE as error:
        _raise_unless_unreadable(error)
        return _readable(capture, rows)
    return {image[key]: image for image in images}


def _readable(capture: Capture, rows: QuerySet[Any]) -> Images:
    """Return the rows without the values that cannot be read."""
    images: Images = {}
    for key in list(rows.values_list("pk", flat=True)):
        row = _rows(capture.model, rows.db, lock=False).filter(pk=key)
        images[key] = {capture.key.attname: key}
        for name, stored in zip(capture.attnames, selected(capture), strict=True):
            try:
                images[key][name] = row.values_list(stored, flat=True).get()
            except _UNREADABLE as error:
                _raise_unless_unreadable(error)
    return images


def _raise_unless_unreadable(error: Exception) -> None:
    if isinstance(error, OperationalError) and _NOT_UTF_8 not in str(error):
        raise error


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    converters: tuple[tuple[str, Any, list[Callable[..., Any]]], ...]


@lru_cache(maxsize=256)
def _statement(capture: Capture, using: str, lock: bool) -> _Statement:
    # Only the SQL is used, without the value. `pk=0` would fail if the key is a date.
    any_key = Exact(F("pk"), Value(0))
    rows = _rows(capture.model, using, lock=lock).filter(any_key).order_by()
    compiler = rows.values_list(*selected(capture)).query.get_compiler(using)
    sql, _ = compiler.as_sql()
    converters = compiler.get_converters([column for column, _, _ in compiler.select])
    return _Statement(
        sql,
        tuple(
            (capture.attnames[index], expression, functions)
            for index, (functions, expression) in converters.items()
        ),
    )


def _rows(model: type[Model], using: str, *, lock: bool) -> QuerySet[Any]:
    rows: QuerySet[Any] = QuerySet(model, using=using).order_by("pk")
    return rows.select_for_update() if lock else rows
