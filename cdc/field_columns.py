"""The columns of a Django model: which kind of column each field makes."""

from dataclasses import replace
from typing import Any

from django.db import models

from cdc.errors import Misconfigured
from cdc.wire import columns
from cdc.wire.columns import Column, Kind

# The first match counts, so a subclass precedes its base (DateTimeField is a DateField).
_KINDS: tuple[tuple[type[models.Field[Any, Any]], Kind], ...] = (
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
    """Return the columns of `model`'s table; raises Misconfigured for a type that cannot travel."""
    return tuple(_column(field) for field in model._meta.concrete_fields)


def _column(field: Any) -> Column:
    target = _holder(field)
    for kind_of_field, kind in _KINDS:
        if isinstance(target, kind_of_field):
            # Such a column may be given what only its own encoder makes JSON of.
            encoded = getattr(target, "encoder", None) is not None
            return Column(
                name=field.column,
                attname=field.attname,
                nullable=field.null,
                kind=replace(kind, early=()) if encoded else kind,
            )
    raise Misconfigured(
        f"{field.model.__name__}.{field.name} is a {type(field).__name__}, which the feed cannot "
        "carry: use a number, text, boolean, date, UUID or JSON field."
    )


def _holder(field: Any) -> Any:
    """Return the field that says what the column holds: for a reference, the one referred to."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field.output_field if isinstance(field, models.GeneratedField) else field
