"""Reads stored values without the conversions that a field applies to them."""

from functools import lru_cache
from typing import Any

from django.db.models import F
from django.db.models.expressions import Col

from cdc.field_columns import stored_field
from cdc.registry import Capture


class _StoredColumn(Col):
    """A column that is read with the converters of a different field."""

    def get_db_converters(self, connection: Any) -> list[Any]:
        return self.output_field.get_db_converters(connection)


class _Stored(F):
    """A reference to a column, without the conversions of its field."""

    default_alias = "cdc_stored"

    def __init__(self, name: str, field: Any) -> None:
        super().__init__(name)
        self._field = field

    def resolve_expression(self, *args: Any, **options: Any) -> Any:
        column: Any = super().resolve_expression(*args, **options)
        return _StoredColumn(column.alias, column.target, self._field)


@lru_cache(maxsize=256)
def selected(capture: Capture) -> tuple[Any, ...]:
    """Return the columns of a captured table, for `values_list()`, in the order of `attnames`.

    The key is read with its conversion, because it is compared with the keys of instances.
    """
    fields = {field.attname: field for field in capture.model._meta.concrete_fields}
    return tuple(_selected(name, fields[name]) for name in capture.attnames)


def converted(capture: Capture) -> list[str]:
    """Return the attribute names of the columns whose fields convert stored values."""
    return [
        name
        for name, column in zip(capture.attnames, selected(capture), strict=True)
        if isinstance(column, _Stored)
    ]


def _selected(name: str, field: Any) -> Any:
    stored = None if field.primary_key else stored_field(field)
    return name if stored is None else _Stored(name, stored)
