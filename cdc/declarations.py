"""Finds captures that would overwrite other data, and names that MongoDB does not allow."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from django.db import models

from cdc.conf import cdc_settings
from cdc.wire.columns import Column

_OWN_FIELDS = frozenset({"_id", "_epoch", "_version"})
"""The fields that `cdc` adds to each document."""
_LONGEST_TABLE = 100
"""The maximum length of a table's name in bytes.

MongoDB limits the total length of the names of the database and of a collection.
"""
_CANARY = "-canary"
_LONGEST_TOPIC = 242
"""The maximum length of a topic's name without a suffix: Kafka limits a name to 249 characters."""


class Declared(Protocol):
    """The attributes of a `Capture` that this module uses."""

    @property
    def model(self) -> type[models.Model]: ...
    @property
    def topic(self) -> str: ...
    @property
    def collections(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> Sequence[Column]: ...
    @property
    def key(self) -> Column: ...
    @property
    def table(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One reason why a capture must not be used."""

    check: str
    """The id of the system check."""
    model: type[models.Model]
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.problem} {self.hint} ({self.check})"


def delete_markers_of(table: str) -> str:
    """Return the name of the collection with a table's delete markers.

    `cdc.mongo.plan` uses the same name.
    """
    return f"{table}_delete_markers"


def canary_topic(topic: str) -> str:
    """Return the name of the topic of the canaries that belong to `topic`."""
    return f"{topic[:_LONGEST_TOPIC]}{_CANARY}"


def is_canary_topic(topic: str) -> bool:
    """Whether `topic` contains canaries, even if KAFKA_TOPIC has changed."""
    return topic.endswith(_CANARY)


def conflicts(captures: Iterable[Declared]) -> Iterator[Conflict]:
    """Yield the conflicts. The result does not depend on the order of `captures`."""
    ordered = sorted(captures, key=lambda capture: capture.model._meta.label)
    for capture in ordered:
        yield from _reserved_columns(capture)
        yield from _unusable_table(capture)
        yield from _own_collections(capture, ordered)
    for one, other in combinations(ordered, 2):
        yield from _shared(one, other)


def _reserved_columns(capture: Declared) -> Iterator[Conflict]:
    for column in capture.columns:
        name = column.name
        if name in _OWN_FIELDS or name.startswith("$") or "." in name or "\0" in name:
            yield Conflict(
                check="cdc.E010",
                model=capture.model,
                problem=f"{capture.model.__name__} has the column {name!r}, but the "
                "documents in MongoDB cannot have a field of this name.",
                hint="Set a different db_column: not _id, _epoch or _version, no '$' at the start, "
                "no '.' and no NUL.",
            )


def _unusable_table(capture: Declared) -> Iterator[Conflict]:
    table = capture.table
    reserved = table.startswith("system.") or "$" in table or "\0" in table
    if reserved or len(table.encode()) > _LONGEST_TABLE:
        yield Conflict(
            check="cdc.E011",
            model=capture.model,
            problem=f"{capture.model.__name__} has the table {table!r}, but MongoDB does "
            "not allow this name for the collection of its delete markers.",
            hint=f"Set a different db_table: at most {_LONGEST_TABLE} bytes, no '$', no NUL, and "
            "no 'system.' at the start.",
        )


def _own_collections(capture: Declared, captures: Sequence[Declared]) -> Iterator[Conflict]:
    settings = cdc_settings()
    taken = {
        settings.history_collection: "the history",
        settings.positions_collection: "the positions",
        settings.columns_collection: "the columns that all documents have",
        settings.instances_collection: "the instance names of the consumers",
        **{delete_markers_of(each.table): f"{each.table}'s delete markers" for each in captures},
    }
    for name in capture.collections:
        if name in taken:
            yield Conflict(
                check="cdc.E012",
                model=capture.model,
                problem=f"{capture.model.__name__} is replicated to {name!r}, which contains "
                f"{taken[name]}.",
                hint="Choose a different name in its Capture(collections=...).",
            )


def _shared(one: Declared, other: Declared) -> Iterator[Conflict]:
    names = f"{one.model.__name__} and {other.model.__name__}"
    if shared := sorted(set(one.collections) & set(other.collections)):
        yield Conflict(
            check="cdc.E013",
            model=other.model,
            problem=f"{names} are both replicated to {', '.join(shared)}: rows with equal keys "
            "would overwrite each other.",
            hint="Give each model its own Capture(topic=..., collections=...): only one model can "
            "use the defaults from the settings.",
        )
    if (one.topic, one.key.name) == (other.topic, other.key.name):
        yield Conflict(
            check="cdc.E014",
            model=other.model,
            problem=f"{names} are both published to {one.topic} with the key {one.key.name!r}: "
            "rows with equal keys have the same Kafka key, and compaction keeps only one of them.",
            hint="Give each model its own Capture(topic=...).",
        )
    if one.table == other.table:
        yield Conflict(
            check="cdc.E015",
            model=other.model,
            problem=f"{names} both have the table {one.table}: a message names only the table, so "
            "its model would not be known.",
            hint="Register one model, and make the other model a proxy of it.",
        )
