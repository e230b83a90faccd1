"""Which fields of an instance were edited since it was read from the database."""

from collections.abc import Collection, Iterable
from typing import Any, Self

from django.db import models


class TracksEdits(models.Model):
    """A model whose instances remember the values that they were read with."""

    _read: dict[str, Any] | None = None
    """The values by field name; None if the instance was not read from the database."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any
    ) -> Self:
        instance = super().from_db(db, field_names, values, **options)
        instance.mark_read()
        return instance

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        """Read values again. If only some fields are read, the others may still be edited."""
        names = None if fields is None else list(fields)
        super().refresh_from_db(using, names, from_queryset)
        self.mark_read(names)

    def mark_read(self, fields: Iterable[str] | None = None) -> None:
        """Remember the current values of some fields, or of all fields, as those of the row."""
        loaded = self._loaded()
        names = loaded if fields is None else set(fields) & set(loaded)
        self._read = {**(self._read or {}), **{name: loaded[name] for name in names}}

    def edited_fields(self, using: str) -> set[str]:
        """Return the edited fields, or all fields if the instance was not read from `using`.

        After a save, the same fields still count as edited, because the transaction may be rolled
        back.
        """
        if self._read is None or self._state.db != using:
            return {field.name for field in self._meta.concrete_fields if not field.primary_key}
        read, unread = self._read, object()
        return {name for name, value in self._loaded().items() if read.get(name, unread) != value}

    def _loaded(self) -> dict[str, Any]:
        """Return the values of the fields, without deferred fields and the primary key."""
        fields = (field for field in self._meta.concrete_fields if not field.primary_key)
        return {
            each.name: vars(self)[each.attname] for each in fields if each.attname in vars(self)
        }
