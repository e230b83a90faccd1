"""The columns of a Django model, by the classes of its fields."""

from dataclasses import replace
from typing import Any

from django.db import models

from cdc.errors import Misconfigured
from cdc.wire import columns
from cdc.wire.columns import Column, ColumnType

# The first match counts, so a subclass precedes its base (DateTimeField is a DateField).
_TYPES: tuple[tuple[type[models.Field[Any, Any]], ColumnType], ...] = (
    (models.BooleanField, columns.BOOLEAN),
    (models.IntegerField, columns.INTEGER),
    (models.FloatField, columns.FLOAT),
    (models.DecimalField, columns.DECIMAL),
    (models.DateTimeField, columns.DATE_TIME),
    (models.DateField, columns.DATE),
    (models.TimeField, columns.TIME),
    (models.UUIDField, columns.UUID_TEXT),
    (models.JSONField, columns.JSON),
    (models.CharField, columns.TEXT),
    (models.TextField, columns.TEXT),
    (models.FileField, columns.TEXT),
    (models.FilePathField, columns.TEXT),
    (models.GenericIPAddressField, columns.TEXT),
)


def columns_of(model: type[models.Model]) -> tuple[Column, ...]:
    """Return the columns of `model`'s table; raises Misconfigured for a field without a type."""
    return tuple(_column(field) for field in model._meta.concrete_fields)


def _column(field: Any) -> Column:
    target = _value_field(field)
    for field_class, column_type in _TYPES:
        if isinstance(target, field_class):
            # Values that need the field's encoder cannot be checked before they are stored.
            encoded = getattr(target, "encoder", None) is not None
            return Column(
                name=field.column,
                attname=field.attname,
                nullable=field.null,
                type=replace(column_type, early=()) if encoded else column_type,
            )
    raise Misconfigured(
        f"{field.model.__name__}.{field.name} is a {type(field).__name__}, which cannot be "
        "captured: use a number, text, boolean, date, UUID or JSON field."
    )


def _value_field(field: Any) -> Any:
    """Return the field that defines the values: of a foreign key, the field it refers to."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field.output_field if isinstance(field, models.GeneratedField) else field
