"""The outbox as the relay reads it: a queue of rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import OperationalError, connections

from cdc.models import OutboxRecord
from cdc.outbox.lease import LeaseRow
from cdc.outbox.progress import Range
from cdc.runtime.database import retryable_errors

MOST_IDS = 500
"""The maximum number of ids in one statement: MariaDB turns 1,000 or more ids into a subquery."""
_TABLE = OutboxRecord._meta.db_table
_ATTNAMES = [field.attname for field in OutboxRecord._meta.concrete_fields]
_IMAGES = ("before", "after")
_ROWS_AHEAD = 32
"""The maximum number of rows that are read together with their ids. The database reads whole rows,
and a row can be as large as `MAX_EVENT_BYTES`."""
_SMALL = 8_000
"""The maximum size in bytes of a row that is read together with its id or its size. 500 such rows
are as large as a portion of a batch."""


class OutboxQueue(LeaseRow):
    """The pending rows of one database; every method raises Retryable on a database error.

    The relay reads small rows with one statement: `ids` also reads the content of small rows among
    the first few rows, and `sizes` reads the content of all its small rows. The next call of
    `rows` returns what was read.
    """

    def __init__(self, using: str) -> None:
        super().__init__(using)
        self._ahead: dict[int, OutboxRecord] = {}
        """The small rows that the last call of `ids` or `sizes` has read."""
        self._large = 0
        """The id of a large row. As long as that row is among those to read, `ids` reads only ids,
        because the database would read the large row in full again."""

    def ids(self, *, above: int, limit: int) -> list[int]:
        """Return up to `limit` row ids greater than `above`, lowest first."""
        self._ahead = {}
        condition = f"id > {above:d} ORDER BY id LIMIT"
        if self._large <= max(above, 0):
            sizes = self._read_ahead(f"{condition} {min(limit, _ROWS_AHEAD):d}")
            self._large = max((number for number, size in sizes if size > _SMALL), default=0)
            if len(sizes) < _ROWS_AHEAD:
                return [number for number, _ in sizes]
        found = self._ids(f"{condition} {limit:d}")
        if self._large not in found:
            self._large = 0
        return found

    def ids_in(self, ranges: Sequence[Range], limit: int | None = None) -> list[int]:
        """Return the ids of up to `limit` rows in `ranges`, lowest first."""
        most = "" if limit is None else f" LIMIT {limit:d}"
        return self._ids(f"{_in_any(ranges)} ORDER BY id{most}")

    def sizes(self, ids: Iterable[int]) -> list[tuple[int, int]]:
        """Return the id and the size in bytes of each existing row of `ids`, lowest id first."""
        ids = sorted(ids)
        if self._ahead.keys() >= set(ids):
            return [(number, _size(self._ahead[number])) for number in ids]
        return self._read_ahead(f"id IN ({_listed(ids)}) ORDER BY id")

    def rows(self, ids: Iterable[int]) -> list[OutboxRecord]:
        """Return the existing rows of `ids`, lowest id first."""
        ids, ahead = sorted(ids), self._ahead
        self._ahead = {}
        found = {number: ahead[number] for number in ids if number in ahead}
        if missing := [number for number in ids if number not in found]:
            columns = ", ".join(map(self._quoted, _ATTNAMES))
            statement = f"SELECT {columns} FROM {_TABLE} WHERE id IN ({_listed(missing)})"  # noqa: S608 -- numbers
            with retryable_errors(self._using), connections[self._using].cursor() as cursor:
                cursor.execute(statement)
                found |= {row.id: row for row in map(self._row, cursor.fetchall())}
        return [found[number] for number in ids if number in found]

    def delete(self, ids: Sequence[int], epoch: int, times: Iterable[int]) -> bool:
        """Delete up to `MOST_IDS` published rows of `epoch`; return False if one is locked.

        The epoch and one of the capture `times` must match too: after a flush or a TRUNCATE, the
        same ids belong to other rows that are not published yet. The statement is a transaction of
        its own. It looks up the ids one by one, because a scan would wait for uncommitted rows. A
        range that ends directly before such a row would wait too.
        """
        statement = f"DELETE FROM {_TABLE}"  # noqa: S608 -- a constant
        if connections[self._using].vendor == "mysql":
            # Only a multi-table DELETE accepts an index hint.
            statement = f"DELETE {_TABLE} FROM {_TABLE} FORCE INDEX (PRIMARY)"
        condition = f" WHERE epoch = {epoch:d} AND ts_ms IN ({_listed(times)})"
        condition += f" AND id IN ({_listed(ids)})"
        with retryable_errors(self._using):
            try:
                with connections[self._using].cursor() as cursor:
                    cursor.execute(statement + condition)
            except OperationalError as error:
                if _is_lock_refusal(error):
                    return False
                raise
        return True

    def settled(self, ranges: Sequence[Range]) -> bool:
        """Return whether all ids in `ranges` have no row and will never get one.

        A locking read with NOWAIT distinguishes three cases. It returns a committed row, fails at
        an uncommitted row, and finds nothing if a row was deleted or rolled back.
        """
        connection = connections[self._using]
        hint = "FORCE INDEX (PRIMARY)" if connection.vendor == "mysql" else ""
        lock = ""
        if connection.features.has_select_for_update:
            nowait = connection.features.has_select_for_update_nowait
            lock = connection.ops.for_update_sql(nowait=nowait)
        statement = f"SELECT id FROM {_TABLE} {hint} WHERE {_in_any(ranges)} LIMIT 1 {lock}"  # noqa: S608
        with retryable_errors(self._using):
            try:
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    return cursor.fetchone() is None
            except OperationalError as error:
                if _is_lock_refusal(error):
                    return False
                raise

    def wait_briefly_for_locks(self) -> None:
        """Limit the lock waits of this thread's connection to one second; the default is 50 s."""
        connection = connections[self._using]
        if connection.vendor == "mysql" and connection.connection is None:
            with retryable_errors(self._using), connection.cursor() as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")

    def close(self) -> None:
        """Close this thread's connection."""
        connections[self._using].close()

    def _read_ahead(self, condition: str) -> list[tuple[int, int]]:
        """Return the id and the size in bytes of each row, and remember the small rows."""
        length = " + ".join(f"COALESCE(LENGTH({self._quoted(name)}), 0)" for name in _IMAGES)
        columns = [
            f"CASE WHEN {length} <= {_SMALL:d} THEN {self._quoted(name)} END"
            if name in _IMAGES
            else self._quoted(name)
            for name in _ATTNAMES
        ]
        found = self._read(f"{', '.join(columns)}, {length}", condition)
        self._ahead = {row[0]: self._row(row[:-1]) for row in found if row[-1] <= _SMALL}
        return [(row[0], row[-1]) for row in found]

    def _ids(self, condition: str) -> list[int]:
        return [row[0] for row in self._read("id", condition)]

    def _read(self, columns: str, condition: str) -> list[tuple[Any, ...]]:
        """Run a query with the driver's cursor instead of Django's.

        An idle relay queries the outbox about 60 times a second. The overhead of Django's cursor is
        several times the cost of such a query.
        """
        connection = connections[self._using]
        statement = f"SELECT {columns} FROM {_TABLE} WHERE {condition}"  # noqa: S608 -- numbers
        with retryable_errors(self._using), connection.wrap_database_errors:
            connection.ensure_connection()
            cursor = connection.connection.cursor()
            cursor.execute(statement)
            rows = list(cursor.fetchall())
            cursor.close()
        return rows

    def _row(self, values: Sequence[Any]) -> OutboxRecord:
        return OutboxRecord.from_db(self._using, _ATTNAMES, values)

    def _quoted(self, name: str) -> str:
        return connections[self._using].ops.quote_name(name)


def _in_any(ranges: Iterable[Range]) -> str:
    return f"({' OR '.join(f'id BETWEEN {first:d} AND {last:d}' for first, last in ranges)})"


def _size(row: OutboxRecord) -> int:
    return len(row.before or b"") + len(row.after or b"")


def _listed(ids: Iterable[int]) -> str:
    return ",".join(f"{number:d}" for number in ids)


def _is_lock_refusal(error: OperationalError) -> bool:
    """Return whether a lock caused the error.

    With NOWAIT, MySQL reports error 3572 and MariaDB error 1205 (lock wait timeout). Error 1213 is
    a deadlock.
    """
    return bool(error.args) and error.args[0] in {3572, 1205, 1213}
