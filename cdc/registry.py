"""Which models are captured, and where their changes go."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from cdc.conf import cdc_settings
from cdc.errors import Misconfigured, Rejected
from cdc.field_columns import columns_of
from cdc.wire.columns import Column

_KEY_TYPES = ("integer", "string")


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """Declared beside a capture; without any of it the feed shows keys and columns only."""

    title: str = ""
    """The column that names a row for people."""
    topic_field: str = ""
    """The JSON column whose `name` groups rows, for the filter by topic."""
    page: str = ""
    """The name of the address of a row's own page, which takes the key."""
    personal: frozenset[str] = frozenset()
    """Columns about people: shown to those only who need them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capture:
    """One captured model; say no more than the model for the settings' topic and collections.

    Raises Misconfigured for a model whose rows the feed cannot carry.
    """

    model: type[models.Model]
    topic: str = field(default_factory=lambda: cdc_settings().topic)
    collections: tuple[str, ...] = field(default_factory=lambda: cdc_settings().collections)
    presentation: Presentation = field(default_factory=Presentation)
    """How the live feed shows its rows."""
    internal: bool = False
    """The feed's own: it keeps no history, and is not among what people count and compare."""
    columns: tuple[Column, ...] = field(init=False)
    attnames: tuple[str, ...] = field(init=False)
    """The columns' names in Python, in the columns' order."""
    key: Column = field(init=False)
    """The primary key's column."""

    def __post_init__(self) -> None:
        columns = columns_of(self.model)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "attnames", tuple(column.attname for column in columns))
        object.__setattr__(self, "key", _key(self.model, columns))
        _check_presentation(self.model, self.presentation, {column.name for column in columns})

    @property
    def table(self) -> str:
        """The table's name, which messages carry as their source."""
        return self.model._meta.db_table

    def wire_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row (values by attname) as JSON values by column name; raises Refused."""
        return {column.name: column.to_wire(row[column.attname]) for column in self.columns}

    def key_from_wire(self, value: Any) -> Any:
        """Return a row's key as Django holds it; raises Rejected for one that no row can have."""
        try:
            return self.model._meta.pk.to_python(self.key.from_wire(value))
        except ValidationError:
            raise Rejected(f"{self.table} can have no key such as {str(value)[:60]!r}.") from None

    def refuse_early(self, values: Mapping[str, Any]) -> None:
        """Raise Refused for values (by attname) that databases treat in different ways.

        SQLite stores NaN, MySQL makes a long integer in JSON a rounded number, MariaDB keeps a
        lone surrogate: only the value as it was given tells.
        """
        for column in self.columns:
            if column.attname in values:
                column.refuse_early(values[column.attname])


class Registry:
    """The captured models of this process, by model and by table."""

    def __init__(self) -> None:
        self._by_model: dict[type[models.Model], Capture] = {}

    def __iter__(self) -> Iterator[Capture]:
        """Yield what people captured."""
        return (capture for capture in self._by_model.values() if not capture.internal)

    def all(self) -> Iterator[Capture]:
        """Yield the feed's own captures too."""
        return iter(self._by_model.values())

    def register(self, capture: Capture) -> None:
        """Add a captured model; the last declaration of a model counts."""
        self._by_model[_concrete(capture.model)] = capture

    def find(self, model: type[models.Model]) -> Capture | None:
        """Return the capture of a model or of one of its proxies."""
        return self._by_model.get(_concrete(model))

    def by_table(self) -> dict[str, Capture]:
        """Return all captures by the table's name."""
        return {capture.table: capture for capture in self.all()}


def _key(model: type[models.Model], columns: tuple[Column, ...]) -> Column:
    primary = model._meta.pk
    keys = [column for column in columns if column.attname == primary.attname]
    if len(keys) != 1 or keys[0].kind.schema.get("type") not in _KEY_TYPES:
        raise Misconfigured(
            f"{model.__name__} has the primary key {primary.name} ({type(primary).__name__}): "
            "the feed tells rows apart by one column that is a whole number or text."
        )
    return keys[0]


def _check_presentation(
    model: type[models.Model], presentation: Presentation, columns: set[str]
) -> None:
    named = {presentation.title, presentation.topic_field, *presentation.personal} - {""}
    if unknown := sorted(named - columns):
        # A personal column that is misspelt would be shown to everybody.
        raise Misconfigured(
            f"{model.__name__} has no column {', '.join(unknown)}: correct what the feed shows."
        )


def _concrete(model: type[models.Model]) -> type[models.Model]:
    return model._meta.concrete_model or model


registry = Registry()
register = registry.register
