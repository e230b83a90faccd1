"""The registry of captured models, with their topics and collections."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models

from cdc.audience import Audience
from cdc.conf import COLLECTION_NAME, TOPIC_NAME, cdc_settings
from cdc.declarations import conflicts
from cdc.errors import Misconfigured, Refused, Rejected
from cdc.field_columns import columns_of
from cdc.wire import columns
from cdc.wire.columns import Column

_KEY_TYPES = ("integer", "string")
# A decimal number has several text forms: 1.5 on an instance may be 1.50 in the row.
_NO_KEYS = (columns.DECIMAL,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """Describes how the live feed shows the rows of a captured model."""

    title: str = ""
    """The column that is shown as the name of a row."""
    topic_field: str = ""
    """The JSON column whose `name` is the row's topic; the live feed can filter by this topic."""
    page: str = ""
    """The name of the URL pattern of a row's page; the pattern's argument is the row's key."""
    trace: str = ""
    """The name of the URL pattern of a row's replication trace; its argument is the key."""
    personal: frozenset[str] = frozenset()
    """Columns with personal data, shown only to users who may see such data."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capture:
    """The declaration of one captured model.

    Only `model` is required. The default topic and collections come from the settings. Only one
    model may use these defaults: `manage.py check` reports an error if a second model does. Raises
    Misconfigured if the model cannot be captured.
    """

    model: type[models.Model]
    topic: str = field(default_factory=lambda: cdc_settings().topic)
    collections: tuple[str, ...] = field(default_factory=lambda: cdc_settings().collections)
    presentation: Presentation = field(default_factory=Presentation)
    internal: bool = False
    """Whether the model belongs to `cdc`: it has no history, and is not counted or compared."""
    indexes: tuple[str, ...] = ()
    """Columns that have an index in the first collection, for pages that read it."""
    schema_name: str = ""
    """The first part of the JSON Schema's file name; by default, the lower-case model name."""
    columns: tuple[Column, ...] = field(init=False)
    attnames: tuple[str, ...] = field(init=False)
    """The attribute names of the columns, in the order of `columns`."""
    key: Column = field(init=False)
    _conversions: tuple[tuple[str, str, bool, Callable[[Any], Any]], ...] = field(init=False)
    """Name, attribute name, whether null is allowed, and conversion of each column."""

    def __post_init__(self) -> None:
        _check_names(self.model, self.topic, self.collections)
        object.__setattr__(self, "schema_name", _schema_name(self.model, self.schema_name))
        found = columns_of(self.model)
        object.__setattr__(self, "columns", found)
        object.__setattr__(self, "attnames", tuple(column.attname for column in found))
        object.__setattr__(self, "key", _key(self.model, found))
        conversions = tuple((one.name, one.attname, one.null, one.type.to_wire) for one in found)
        object.__setattr__(self, "_conversions", conversions)
        _check_presentation(self)
        _check_indexes(self)

    @property
    def table(self) -> str:
        """The name of the table, which is `source.table` in messages."""
        return self.model._meta.db_table

    @property
    def key_is_number(self) -> bool:
        """Whether logs may contain the key. A key that is text may be personal."""
        return bool(self.key.type.schema["type"] == "integer")

    def hidden(self, audience: Audience) -> frozenset[str]:
        """Return the columns that an audience must not see."""
        return frozenset() if audience.sees_people else self.presentation.personal

    def wire_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a row (values by attname) to JSON values by column name.

        Raise Refused if a value cannot be encoded.
        """
        with suppress(Refused, LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
            return {
                name: None if (value := row[attname]) is None and null else convert(value)
                for name, attname, null, convert in self._conversions
            }
        return self._refused_row(row)

    def _refused_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a row as `wire_row` does, more slowly; raise Refused with the invalid value."""
        key = row[self.key.attname]
        place = f"{self.table} {key}"
        safe = place if self.key_is_number else self.table
        if unread := self.unread(row):
            what = "contains a value that Django cannot read: correct it."
            column = f"Column {unread[0]} of"
            raise Refused(f"{column} {place} {what}", f"{column} {safe} {what}")
        try:
            return {column.name: column.to_wire(row[column.attname]) for column in self.columns}
        except Refused as error:
            # The error names the row, because a delete may also change rows that refer to the
            # deleted row.
            raise error.at(f"{place}:", f"{safe}:") from None

    def unread(self, row: Mapping[str, Any]) -> list[str]:
        """Return the attribute names that `row` lacks because Django could not read the values."""
        return [name for name in self.attnames if name not in row]

    def key_to_wire(self, key: Any) -> Any:
        """Convert a key to JSON; raise Refused if the key is invalid."""
        try:
            return self.key.to_wire(self.model._meta.pk.to_python(key))
        except ValidationError:
            raise Refused(*self._invalid_key(key)) from None

    def key_from_wire(self, value: Any) -> Any:
        """Convert a key from JSON to Django's type; raise Rejected if the key is invalid."""
        try:
            return self.model._meta.pk.to_python(self.key.from_wire(value))
        except ValidationError:
            raise Rejected(*self._invalid_key(value)) from None

    def _invalid_key(self, key: Any) -> tuple[str, str]:
        rest = f"is not a valid key of {self.table}."
        return f"{str(key)[:60]!r} {rest}", f"A value {rest}"

    def refuse_database(self, using: str) -> None:
        """Raise Refused unless `using` is the default database: only its outbox is published."""
        if using != DEFAULT_DB_ALIAS:
            raise Refused(
                f"{self.model.__name__} is captured and would be written to the database "
                f"{using!r}, whose changes are not published: write to {DEFAULT_DB_ALIAS!r}."
            )

    def refuse_early(self, values: Mapping[str, Any]) -> None:
        """Raise Refused if one of the values, by attname, cannot be encoded.

        A database may change such a value while storing it: SQLite stores NaN as null, and MySQL
        rounds a long integer in JSON. The values are therefore checked before they are stored.
        """
        for column in self.columns:
            value = values.get(column.attname)
            if value is not None:
                column.refuse_early(value)


class Registry:
    """The captured models of this process."""

    def __init__(self) -> None:
        self._by_model: dict[type[models.Model], Capture] = {}
        self._sound = False
        """Whether the current captures were checked and have no conflict."""

    def __iter__(self) -> Iterator[Capture]:
        """Yield the captures of the project, except internal ones."""
        return (capture for capture in self._by_model.values() if not capture.internal)

    def all(self) -> Iterator[Capture]:
        """Yield all captures, including internal ones."""
        return iter(self._by_model.values())

    def register(self, capture: Capture) -> None:
        """Add a capture; it replaces an earlier capture of the same model."""
        self._by_model[_concrete(capture.model)] = capture
        self._sound = False

    def require_sound(self) -> None:
        """Raise Misconfigured for the first conflict between captures.

        `register` does not look for conflicts, because `manage.py check` must be able to start and
        list all conflicts.
        """
        if self._sound:
            return
        for conflict in conflicts(self.all()):
            raise Misconfigured(str(conflict))
        self._sound = True

    def find(self, model: type[models.Model]) -> Capture | None:
        """Return the capture of a model; a proxy has the capture of its concrete model."""
        return self._by_model.get(_concrete(model))

    def by_table(self) -> dict[str, Capture]:
        """Return all captures by table name, including internal ones."""
        return {capture.table: capture for capture in self.all()}


def _check_names(model: type[models.Model], topic: str, collections: Any) -> None:
    if not TOPIC_NAME.match(topic):
        raise Misconfigured(
            f"{model.__name__} has the topic {topic!r}: use letters, digits, '.', '_' and '-'."
        )
    if not isinstance(collections, tuple) or not collections:
        raise Misconfigured(
            f"{model.__name__} has the collections {collections!r}: use a tuple of names, such "
            "as ('orders',)."
        )
    wrong = [name for name in collections if not COLLECTION_NAME.match(name)]
    if wrong or len(set(collections)) != len(collections):
        raise Misconfigured(
            f"{model.__name__} has the collections {', '.join(map(repr, collections))}: use "
            "letters, digits, '.', '_' and '-', and each name once."
        )


def _schema_name(model: type[models.Model], name: str) -> str:
    name = name or model._meta.model_name or ""
    # The name is the first part of a file name.
    if not TOPIC_NAME.match(name):
        raise Misconfigured(
            f"{model.__name__} has the schema_name {name!r}: use letters, digits, '.', '_' and '-'."
        )
    return name


def _key(model: type[models.Model], found: tuple[Column, ...]) -> Column:
    primary = model._meta.pk
    keys = [column for column in found if column.attname == primary.attname]
    usable = [key for key in keys if key.type not in _NO_KEYS]
    if len(usable) != 1 or usable[0].type.schema.get("type") not in _KEY_TYPES:
        raise Misconfigured(
            f"{model.__name__} has the primary key {primary.name} ({type(primary).__name__}): "
            "a captured model needs a primary key of one column: an integer, text, a UUID, a date "
            "or a time."
        )
    return usable[0]


def _check_presentation(capture: Capture) -> None:
    name, shown = capture.model.__name__, capture.presentation
    named = {shown.title, shown.topic_field, *shown.personal} - {""}
    if unknown := sorted(named - {column.name for column in capture.columns}):
        # A misspelt personal column would be shown to everyone.
        raise Misconfigured(f"{name} has no column {', '.join(unknown)}: correct its Presentation.")
    if public := sorted(shown.personal & {shown.title, shown.topic_field, capture.key.name}):
        raise Misconfigured(
            f"{name} has the personal column {', '.join(public)}, which every reader sees as the "
            "key, title or topic of a row: name a different column in its Presentation."
        )


def _check_indexes(capture: Capture) -> None:
    names = {column.name for column in capture.columns}
    if unknown := sorted(set(capture.indexes) - names):
        raise Misconfigured(
            f"{capture.model.__name__} has no column {', '.join(unknown)}: correct its indexes."
        )


def _concrete(model: type[models.Model]) -> type[models.Model]:
    return model._meta.concrete_model or model


registry = Registry()
register = registry.register


def topic_names() -> list[str]:
    """Return the topics of the captured models, except internal topics."""
    return sorted({capture.topic for capture in registry})


def all_topics() -> dict[str, int]:
    """Return all topics, including internal topics, with their partition counts.

    0 means the number in the settings. Raise Misconfigured if captures conflict.
    """
    registry.require_sound()
    internal = {capture.topic: 1 for capture in registry.all() if capture.internal}
    return {**internal, **dict.fromkeys(topic_names(), 0)}
