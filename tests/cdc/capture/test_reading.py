"""Reading one row as Django does, and errors that the values of the row do not cause."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from cdc.capture import images
from cdc.capture.images import read_image, read_images
from cdc.registry import Capture, registry
from tests.support.toy.models import Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def captured() -> Capture:
    found = registry.find(Toy)
    assert found is not None
    return found


@contextmanager
def failing(start: str) -> Iterator[None]:
    """Make the first statement that begins with `start` fail, as with a disk or server error."""
    left = [OperationalError("disk I/O error")]

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith(start) and left:
            raise left.pop()
        return execute(sql, *rest)

    with connections["default"].execute_wrapper(fail):
        yield
    assert not left


@pytest.mark.parametrize("read", [read_image, lambda *args, **o: read_images(*_many(args), **o)])
def test_an_error_of_the_database_is_raised(read: Callable[..., Any]) -> None:
    toy = Toy.objects.create(name="a")
    with failing("SELECT"), pytest.raises(OperationalError, match="disk"):
        read(captured(), toy.pk, using="default")


def _many(args: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    return args[0], [args[1]]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="MySQL stores any text as a code")
def test_an_error_of_the_database_is_raised_for_a_row_with_an_odd_value() -> None:
    toy = Toy.objects.create(name="a", place=3)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE toy_toy SET code = 'no code'")
    with failing('SELECT "toy_toy"."place"'), pytest.raises(OperationalError, match="disk"):
        read_image(captured(), toy.pk, using="default")

    found = read_image(captured(), toy.pk, using="default")
    assert found == {name: getattr(toy, name) for name in captured().attnames if name != "code"}


def test_zero_is_looked_up_where_it_cannot_be_inserted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: int) -> int:
        if value == 0:
            raise ValueError
        return value

    monkeypatch.setattr(connection.ops, "validate_autopk_value", refuse)

    assert read_image(captured(), 0, using="default") is None


def test_a_field_of_its_own_converts_with_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy.objects.create(name="a")
    seen: list[tuple[Any, Any, Any]] = []

    def convert(value: Any, expression: Any, using: Any) -> str:
        seen.append((value, expression.target.name, using))
        return f"{value}!"

    field: Any = Toy._meta.get_field("name")
    monkeypatch.setattr(field, "from_db_value", convert, raising=False)
    images._statement.cache_clear()
    try:
        image = read_image(captured(), toy.pk, using="default")
    finally:
        images._statement.cache_clear()

    assert image is not None
    assert image["name"] == "a!"
    assert seen == [("a", "name", connections["default"])]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="MySQL stores any text as a code")
def test_a_row_that_is_deleted_while_it_is_read_is_none() -> None:
    toy = Toy.objects.create(name="a")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE toy_toy SET code = 'no code'")
    seen: list[str] = []

    def delete_after(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if seen == ["SELECT"]:
            seen.append("DELETE")
            Toy.objects.filter(pk=toy.pk)._raw_delete("default")
        seen.append(sql.partition(" ")[0])
        return execute(sql, *rest)

    with connections["default"].execute_wrapper(delete_after):
        assert read_image(captured(), toy.pk, using="default") is None
