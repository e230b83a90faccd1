"""Determines the columns of a Django model from the classes of its fields."""

from dataclasses import replace
from decimal import Decimal
from enum import Enum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.utils import format_number
from django.db.models.fields import NOT_PROVIDED

from cdc.errors import Misconfigured, Refused, Rejected
from cdc.wire import columns
from cdc.wire.columns import Column, ColumnType

# The first match counts, so a subclass precedes its base (DateTimeField is a DateField).
_TYPES: tuple[tuple[type[Any], ColumnType], ...] = (
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

# The converters of Django's own fields. A field with a different converter returns its own objects,
# not the stored values.
_CONVERTERS = (None, models.Field.get_db_converters, models.JSONField.from_db_value)

# Callable defaults that always return equal values.
_EMPTY = (dict, list)


def columns_of(model: type[models.Model]) -> tuple[Column, ...]:
    """Return the columns of `model`'s table; raise Misconfigured if a field cannot be captured."""
    return tuple(_column(field) for field in model._meta.concrete_fields)


def stored_field(field: Any) -> Any:
    """Return a plain field that reads the stored value; None if `field` itself can be used.

    A subclass with `from_db_value()`, such as a list, an enum or encrypted text, returns objects
    whose text is not the stored value. For an encrypted field, this text would be a leak. Raise
    Misconfigured if no field of Django reads the stored value.
    """
    target = _value_field(field)
    if not _converts(target):
        return None
    kind = target.get_internal_type()
    if isinstance(target, models.UUIDField) and kind != "UUIDField":
        return None  # A UUID may be stored as bytes, but is always published as a UUID.
    plain = getattr(models, kind, None)
    if not (isinstance(plain, type) and issubclass(plain, models.Field)):
        raise Misconfigured(
            f"{field.model.__name__}.{field.name} has the values of a {type(target).__name__}, "
            f"which converts them. Its internal type {kind!r} is not a field of Django, so stored "
            "values cannot be read: let get_internal_type() return the name of the field that "
            "stores them, such as 'TextField'."
        )
    if plain is models.DecimalField:
        return plain(max_digits=target.max_digits, decimal_places=target.decimal_places)
    return plain()


def _converts(field: Any) -> bool:
    """Return whether a field converts the values that Django reads."""
    kind = type(field)
    found = (getattr(kind, name, None) for name in ("get_db_converters", "from_db_value"))
    own_sql = kind.select_format is not models.Field.select_format
    own_json = getattr(field, "decoder", None) is not None
    return own_sql or own_json or not all(one in _CONVERTERS for one in found)


def _column(field: Any) -> Column:
    stored, value_field = stored_field(field), _value_field(field)
    target = stored or value_field
    for field_class, column_type in _TYPES:
        if isinstance(target, field_class):
            # The values of a JSON field with an encoder cannot be checked before they are stored.
            encoded = getattr(value_field, "encoder", None) is not None
            column = Column(
                name=field.column,
                attname=field.attname,
                nullable=field.null,
                type=replace(column_type, early=()) if encoded else column_type,
            )
            if field.primary_key:
                column = replace(column, type=_key_type(value_field, column.type))
            if stored is not None:
                return column
            return replace(column, earlier=_earlier(field, target, column))
    raise Misconfigured(
        f"{field.model.__name__}.{field.name} is a {type(field).__name__}, which cannot be "
        "captured: use a number, text, boolean, date, UUID or JSON field."
    )


def _key_type(field: Any, column_type: ColumnType) -> ColumnType:
    """Return the type of a key. Events contain the stored value, even if the field converts it.

    Other columns are read without the conversion. A key is read with the conversion, because it is
    compared with the keys of instances.
    """
    django_s = type(field).to_python.__module__.startswith("django.")
    if column_type is columns.DECIMAL or (django_s and not _converts(field)):
        return column_type
    to_wire = column_type.to_wire
    return replace(column_type, to_wire=lambda key: to_wire(field.get_prep_value(key)))


def _earlier(field: Any, target: Any, column: Column) -> tuple[Any, ...]:
    """Return, in a tuple, the BSON value that existing rows got when the column was added.

    The tuple is empty if the value is not known.
    """
    value = _added(field)
    if value is NOT_PROVIDED or field.generated:
        return ()
    try:
        if value is not None:
            value = _as_read(target, value)
        return (column.from_wire(column.to_wire(value)),)
    except (Refused, Rejected, ValidationError, TypeError, ValueError, ArithmeticError):
        return ()


def _added(field: Any) -> Any:
    """Return the constant that Django's migrations write to a new column, or NOT_PROVIDED."""
    if field.has_db_default():
        return _literal(field.db_default)
    if field.has_default():
        return NOT_PROVIDED if _is_not_filled(field) else _constant(field)
    if field.null:
        return NOT_PROVIDED if _is_automatic(field) else None
    return "" if field.blank and field.empty_strings_allowed else NOT_PROVIDED


def _literal(db_default: Any) -> Any:
    if hasattr(db_default, "resolve_expression"):
        return db_default.value if isinstance(db_default, models.Value) else NOT_PROVIDED
    return db_default


def _constant(field: Any) -> Any:
    if field.default in _EMPTY:
        return field.default()
    return NOT_PROVIDED if callable(field.default) else field.get_default()


def _is_not_filled(field: Any) -> bool:
    """Whether MySQL, unlike other databases, leaves the new column null despite its default."""
    long = isinstance(field, models.TextField | models.JSONField)
    return long and field.null and field.default is not None


def _is_automatic(field: Any) -> bool:
    return getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)


def _as_read(field: Any, value: Any) -> Any:
    """Return a default as Django reads it back from the database."""
    value = field.to_python(value.value if isinstance(value, Enum) else value)
    if isinstance(field, models.DecimalField):
        return Decimal(format_number(value, field.max_digits, field.decimal_places) or "")
    return value


def _value_field(field: Any) -> Any:
    """Return the field that defines the values; for a foreign key, the field that it refers to."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field.output_field if isinstance(field, models.GeneratedField) else field
