"""Selects the rows of a snapshot: a captured model and conditions (`--where field=value`)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import ForeignKey, JSONField, Model, Q

from cdc.audience import Audience
from cdc.errors import Misconfigured
from cdc.registry import Capture, registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The rows of one captured model that meet all conditions; without conditions, all rows."""

    capture: Capture
    conditions: tuple[str, ...] = ()
    """Conditions as `field=value`. If the field may be null, an empty value also matches null."""
    query: Q = field(init=False)

    def __post_init__(self) -> None:
        query = Q()
        for condition in self.conditions:
            query &= _condition(self.capture.model, condition)
        object.__setattr__(self, "query", query)

    @property
    def complete(self) -> bool:
        """Whether every row is selected."""
        return not self.conditions

    def __str__(self) -> str:
        conditions = f" with {', '.join(self.conditions)}" if self.conditions else ""
        return f"{self.capture.table}{conditions}"


def selections(model: str | None, conditions: Sequence[str]) -> list[Selection]:
    """Return a selection for each captured model, or only for `model`.

    Raise Misconfigured if the model is not captured or a condition is invalid.
    """
    captures = [capture for capture in registry if model in {None, capture.model._meta.label}]
    if not captures:
        known = ", ".join(capture.model._meta.label for capture in registry)
        raise Misconfigured(f"--model is {model!r}, which is not captured: use one of {known}.")
    if conditions and len(captures) > 1:
        raise Misconfigured("--where needs --model: several models are captured.")
    return [Selection(capture=capture, conditions=tuple(conditions)) for capture in captures]


def visible_conditions(conditions: Sequence[str], audience: Audience) -> list[str]:
    """Return the conditions, except those on columns that `audience` must not see."""
    hidden: set[str] = set()
    for capture in registry:
        columns = capture.hidden(audience)
        named = {field.name for field in capture.model._meta.fields if field.column in columns}
        hidden |= columns | named
    return [each for each in conditions if each.partition("=")[0].strip() not in hidden]


def _condition(model: type[Model], text: str) -> Q:
    name, equals, value = text.partition("=")
    if not equals:
        raise Misconfigured(f"--where {text!r} contains no equals sign: use field=value.")
    found = _field(model, name.strip())
    if not value and found.null:
        empty = Q(**{f"{found.name}__isnull": True})
        return empty | Q(**{found.name: ""}) if found.empty_strings_allowed else empty
    return Q(**{found.attname: _converted(found, value)})


def _field(model: type[Model], name: str) -> Any:
    fields = {field.name: field for field in model._meta.concrete_fields}
    try:
        found = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        found = None
    if found not in fields.values():
        raise Misconfigured(
            f"--where names {name!r}, but {model.__name__} has no such field: "
            f"use one of {', '.join(sorted(fields))}."
        )
    if isinstance(found, JSONField):
        raise Misconfigured(f"--where names {name!r}, a JSON field: name a different field.")
    return found


def _converted(found: Any, value: str) -> Any:
    target = found.target_field if isinstance(found, ForeignKey) else found
    try:
        converted = target.clean(value, None)
    except ValidationError as error:
        raise Misconfigured(
            f"--where gives {found.name} the value {value!r}: {' '.join(error.messages)}"
        ) from None
    if isinstance(converted, datetime) and converted.tzinfo is None:
        return converted.replace(tzinfo=UTC)
    return converted
