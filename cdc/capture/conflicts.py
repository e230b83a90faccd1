"""Conditions that find the rows that conflict with a new row in a unique key."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections, models
from django.db.models import ExpressionWrapper, F, Q, UniqueConstraint, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact


def conflicts(obj: models.Model, unique_fields: Iterable[str] | None, *, using: str) -> list[Q]:
    """Return one condition for each unique key; each finds the row with the same key as `obj`.

    If `unique_fields` is None, all unique keys of the table are used, in MySQL's order: the primary
    key, keys without nullable columns, other keys. MySQL updates the row that conflicts in the
    first of these keys.
    """
    values = _values(obj)
    if unique_fields is not None:
        return list(_equal(obj, tuple(unique_fields), values))
    keys = sorted(_unique_keys(obj), key=lambda names: _rank(obj, names))
    conditions = [condition for names in keys for condition in _equal(obj, names, values)]
    if connections[using].features.supports_expression_indexes:
        conditions += _equal_expressions(obj, values)
    return conditions


def new_values(obj: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """Return the values that an insert of `obj` would store in these fields."""
    fields = (_field(obj, name) for name in names)
    return {field.name: field.pre_save(obj, add=True) for field in fields}


def _unique_keys(obj: models.Model) -> Iterator[tuple[str, ...]]:
    """Yield the field names of each unique key that Django creates on MySQL."""
    options = obj._meta
    yield from ((field.name,) for field in options.concrete_fields if field.unique)
    yield from (tuple(names) for names in options.unique_together)
    yield from (tuple(one.fields) for one in _constraints(obj) if one.fields)


def _constraints(obj: models.Model) -> Iterator[Any]:
    """Yield the unique constraints that Django creates on MySQL."""
    one: Any
    for one in obj._meta.constraints:
        if isinstance(one, UniqueConstraint) and not _left_out(one):
            yield one


def _left_out(one: Any) -> bool:
    return bool(one.condition or one.deferrable or one.include or one.nulls_distinct is not None)


def _rank(obj: models.Model, names: tuple[str, ...]) -> tuple[bool, bool]:
    fields = [_field(obj, name) for name in names]
    return not any(field.primary_key for field in fields), any(field.null for field in fields)


def _values(obj: models.Model) -> dict[str, Any]:
    """Return the values of a new row as expressions, by field name."""
    fields: list[Any] = list(obj._meta.concrete_fields)
    plain = new_values(obj, [field.name for field in fields if not field.generated])
    values = {name: _as_stored(_field(obj, name), value) for name, value in plain.items()}
    names = {F(name): value for name, value in values.items()}
    for field in fields:
        if field.generated:
            expression = field.expression.replace_expressions(names)
            values[field.name] = ExpressionWrapper(expression, output_field=field)
    return values


def _as_stored(field: Any, value: Any) -> Any:
    """Return a value as an expression, rounded as the database rounds it."""
    expression = value if hasattr(value, "resolve_expression") else Value(value, field)
    if value is None or not isinstance(field, models.DecimalField):
        return expression
    return Cast(expression, field)


def _equal(obj: models.Model, names: tuple[str, ...], values: dict[str, Any]) -> Iterator[Q]:
    key = {_field(obj, name).name: values[_field(obj, name).name] for name in names}
    # A key that contains NULL never conflicts.
    if not any(isinstance(value, Value) and value.value is None for value in key.values()):
        yield Q(**key)


def _equal_expressions(obj: models.Model, values: dict[str, Any]) -> Iterator[Q]:
    names = {F(name): value for name, value in values.items()}
    for constraint in _constraints(obj):
        parts: list[Any] = [_without_order(part) for part in constraint.expressions]
        if parts:
            yield Q(*(Exact(part, part.replace_expressions(names)) for part in parts))


def _without_order(expression: Any) -> Any:
    """Return the expression without its sort order: `Lower("name")` for `Lower("name").desc()`."""
    plain = getattr(expression, "get_expression_for_validation", None)
    return plain() if plain else expression


def _field(obj: models.Model, name: str) -> Any:
    return obj._meta.pk if name == "pk" else obj._meta.get_field(name)
