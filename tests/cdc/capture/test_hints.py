"""The index hint for MySQL: which statements get the hint, and how it changes them."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections
from django.db.backends.utils import CursorWrapper

from cdc.capture.images import _Hint, found_by_key
from cdc.registry import Capture, registry
from tests.support.toy.models import Sample, Toy

KEY = "`toy_toy`.`id`"
FORCED = "`toy_toy` FORCE INDEX (PRIMARY)"
HINTED = {
    f"DELETE FROM `toy_toy` WHERE {KEY} IN (%s, %s)": (
        f"DELETE `toy_toy` FROM {FORCED} WHERE (`toy_toy`.`toyName` IS NULL "
        f"OR `toy_toy`.`toyName` IS NOT NULL) AND {KEY} IN (%s, %s)"
    ),
    f"UPDATE `toy_toy` SET `place` = %s WHERE {KEY} IN (%s)": (
        f"UPDATE {FORCED} SET `place` = %s WHERE {KEY} IN (%s)"
    ),
    f"UPDATE `toy_toy` SET `place` = %s WHERE {KEY} IN (%s) ORDER BY {KEY}": (
        f"UPDATE {FORCED} SET `place` = %s WHERE {KEY} IN (%s) ORDER BY {KEY}"
    ),
    f"SELECT {KEY} FROM `toy_toy` WHERE {KEY} IN (%s) ORDER BY {KEY} ASC FOR UPDATE": (
        f"SELECT {KEY} FROM {FORCED} WHERE {KEY} IN (%s) ORDER BY {KEY} ASC FOR UPDATE"
    ),
    f"SELECT {KEY} FROM `toy_toy` WHERE {KEY} IN (SELECT 1 FROM `toy_toy` WHERE {KEY} IN (1)) "
    "FOR UPDATE": (
        f"SELECT {KEY} FROM {FORCED} WHERE {KEY} IN (SELECT 1 FROM `toy_toy` WHERE {KEY} IN (1)) "
        "FOR UPDATE"
    ),
}
PLAIN = [
    f"SELECT {KEY} FROM `toy_toy` WHERE {KEY} IN (%s)",
    f"SELECT {KEY} FROM `toy_toy` WHERE {KEY} IN (%s) FOR UPDATE OF `toy_box`",
    f"SELECT {KEY} FROM `toy_toy` WHERE `toy_toy`.`place` IN (%s) FOR UPDATE",
    f"SELECT {KEY} FROM `toy_toy` WHERE (`toy_toy`.`place` = 1 AND {KEY} IN (%s)) FOR UPDATE",
    f"DELETE FROM `toy_toy` WHERE {KEY} = %s",
    f"DELETE FROM `toy_toy` WHERE `toy_toy`.`place` = 1 AND {KEY} IN (%s)",
    f"DELETE FROM `toy_toy` WHERE (`toy_toy`.`place` = 1) OR (1 WHERE {KEY} IN (%s))",
    "DELETE FROM `toy_label` WHERE `toy_label`.`text` IN (%s)",
    f"UPDATE `toy_toy` SET `place` = %s WHERE {KEY} = %s",
    "UPDATE `toy_toy` SET `place` = %s",
    "UPDATE `toy_label` SET `size` = %s WHERE `toy_label`.`text` IN (%s)",
    f"UPDATE `toy_label`, `toy_toy` SET `size` = 1 WHERE {KEY} IN (%s)",
    "INSERT INTO `toy_toy` (`toyName`) VALUES (%s)",
    f"INSERT INTO `toy_toy` SELECT 1 WHERE {KEY} IN (%s)",
    f"(SELECT 1 FROM `toy_toy` WHERE {KEY} IN (%s)) FOR UPDATE",
]


def captured() -> Capture:
    found = registry.find(Toy)
    assert found is not None
    return found


def hint() -> _Hint:
    return _Hint.of(captured(), lambda name: f"`{name}`")


@pytest.mark.parametrize("sql", HINTED)
def test_a_statement_that_names_keys_has_the_hint(sql: str) -> None:
    assert hint().added_to(sql) == HINTED[sql]


@pytest.mark.parametrize("sql", PLAIN)
def test_any_other_statement_is_unchanged(sql: str) -> None:
    assert hint().added_to(sql) == sql


def test_without_other_columns_the_hint_reads_the_key() -> None:
    key = SimpleNamespace(name="id")
    table: Any = SimpleNamespace(table="t", key=key, columns=[key])

    assert _Hint.of(table, str.upper) == _Hint(table="T", key="ID", other="ID")


@pytest.mark.django_db
@pytest.mark.parametrize(("vendor", "hinted"), [("mysql", True), ("sqlite", False)])
def test_only_mysql_has_it(monkeypatch: pytest.MonkeyPatch, vendor: str, hinted: bool) -> None:
    connection = connections["default"]
    seen: list[tuple[str, Any]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        seen.append((sql, params))
        return execute("SELECT 1", None, *rest)

    table, key = (connection.ops.quote_name(name) for name in ("toy_toy", "id"))
    sql = f"UPDATE {table} SET place = %s WHERE {table}.{key} IN (%s)"
    monkeypatch.setattr(connection, "vendor", vendor)
    with found_by_key(captured(), using="default"), connection.execute_wrapper(note):
        connection.cursor().execute(sql, [1, 2])
    with connection.execute_wrapper(note):
        connection.cursor().execute(sql, [1, 2])

    expected = sql.replace(table, f"{table} FORCE INDEX (PRIMARY)", 1) if hinted else sql
    assert seen == [(expected, [1, 2]), (sql, [1, 2])]


_HINT = " FORCE INDEX (PRIMARY)"
_FORM = re.compile(r"DELETE (\S+) FROM \S+ WHERE \(.* IS NOT NULL\) AND ")
"""The hint and the form of DELETE that only MySQL understands."""
WRITES: dict[str, Callable[[], Any]] = {
    "update": lambda: Sample.objects.update(place=5),
    "delete": lambda: Sample.objects.all().delete(),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_of_many_rows_has_it(monkeypatch: pytest.MonkeyPatch, write: str) -> None:
    Sample.objects.bulk_create([Sample(number=1), Sample(number=2)])
    seen: list[str] = []
    execute: Any = vars(CursorWrapper)["_execute"]
    on_sqlite = connections["default"].vendor == "sqlite"

    def note(self: CursorWrapper, sql: str, *rest: Any) -> Any:
        if sql.startswith(("UPDATE", "DELETE")) and "toy_sample" in sql:
            seen.append(sql)
        if on_sqlite:
            sql = _FORM.sub(r"DELETE FROM \1 WHERE ", sql.replace(_HINT, ""))
        return execute(self, sql, *rest)

    monkeypatch.setattr(CursorWrapper, "_execute", note)
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    WRITES[write]()

    assert [_HINT in sql for sql in seen] == [True]
