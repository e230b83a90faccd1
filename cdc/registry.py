"""Which models are captured, and where their changes go."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from cdc.columns import Column, columns_of
from cdc.conf import cdc_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One captured model; say no more than the model for the settings' topic and collections."""

    model: type[models.Model]
    topic: str = field(default_factory=lambda: cdc_settings().topic)
    collections: tuple[str, ...] = field(default_factory=lambda: cdc_settings().collections)
    columns: tuple[Column, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", columns_of(self.model))

    @property
    def table(self) -> str:
        """The table's name, which messages carry as their source."""
        return self.model._meta.db_table  # noqa: SLF001 -- public by documentation

    @property
    def key(self) -> Column:
        """The primary key's column."""
        primary = self.model._meta.pk  # noqa: SLF001 -- public by documentation
        return next(column for column in self.columns if column.attname == primary.attname)

    def wire_row(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row (values by attname) as JSON values by column name; raises Refused."""
        return {column.name: column.to_wire(row[column.attname]) for column in self.columns}


class Registry:
    """The captured models of this process, by model and by table."""

    def __init__(self) -> None:
        self._by_model: dict[type[models.Model], Capture] = {}

    def __iter__(self) -> Iterator[Capture]:
        return iter(self._by_model.values())

    def register(self, capture: Capture) -> None:
        """Add a captured model; the last declaration of a model counts."""
        self._by_model[_concrete(capture.model)] = capture

    def find(self, model: type[models.Model]) -> Capture | None:
        """Return the capture of a model or of one of its proxies."""
        return self._by_model.get(_concrete(model))

    def by_table(self) -> dict[str, Capture]:
        """Return the captures by the table's name."""
        return {capture.table: capture for capture in self}


def _concrete(model: type[models.Model]) -> type[models.Model]:
    concrete = model._meta.concrete_model  # noqa: SLF001 -- public by documentation
    return concrete or model


registry = Registry()
register = registry.register
