"""Converts a row of the Digg data set to a story."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError

from stories.importing.errors import BadRow, excerpt
from stories.importing.extended_json import plain
from stories.models import Story

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ].*(Z|[+-]\d\d:?\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR = 1000
"""The first year that MySQL stores. Python and BSON accept earlier years."""
_NEEDED = "a story needs id, title, href, link and submit_date"


def story_from(row: Any) -> Story:
    """Return an unsaved, valid story. Raise BadRow if the row is not a valid story.

    `_id` and unknown keys are ignored. If an optional key is missing or null, the column's default
    is used.
    """
    if not isinstance(row, dict):
        raise BadRow(f"the row is {excerpt(row)}, not a story: write one JSON object")
    story = Story(**{attname: _value(row, key) for key, attname in _ATTNAMES.items()})
    try:
        story.clean_fields(exclude=["submitted_by"])
        story.clean()
    except ValidationError as error:
        raise BadRow(_problem_of(story, error)) from None
    return story


def _value(row: dict[str, Any], key: str) -> Any:
    raw = row.get(key)
    if raw is None:
        return _default(key)
    try:
        return _CONVERTERS.get(key, _as_is)(plain(raw))
    except BadRow as error:
        raise BadRow(f"{key} {error}") from None


def _default(key: str) -> Any:
    if key in _REQUIRED:
        raise BadRow(f"{key} is missing: {_NEEDED}")
    return getattr(Story(), _ATTNAMES[key])


def _problem_of(story: Story, error: ValidationError) -> str:
    attname, problems = next(iter(error.message_dict.items()))
    key = next(key for key, name in _ATTNAMES.items() if name == attname)
    return f"{key} is {excerpt(getattr(story, attname))}: {problems[0].rstrip('.')}"


def _as_is(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRow(f"is {excerpt(value)}: it must be a string")
    return value


def _source_id(value: Any) -> str:
    """Return a source id as text. A number and its text are the same id."""
    text = value.strip() if isinstance(value, str) else str(_count(value))
    if not text:
        raise BadRow(f"is {excerpt(value)}: {_NEEDED}")
    return text


def _count(value: Any) -> int:
    whole = isinstance(value, float) and value.is_integer()
    if type(value) is not int and not whole:
        raise BadRow(f"is {excerpt(value)}: it must be a whole number")
    return int(value)


def _moment(value: Any) -> datetime:
    """Return a time in UTC from seconds since 1970 or ISO 8601 text."""
    try:
        moment = _from_iso(value) if isinstance(value, str) else _from_seconds(value)
    except (ValueError, TypeError, OverflowError):
        moment = datetime.min.replace(tzinfo=UTC)
    if moment.year < _FIRST_YEAR:
        raise BadRow(
            f"is {excerpt(value)}: write seconds since 1970 or ISO 8601 text with a time zone, "
            "with a year from 1000 to 9999"
        )
    return moment


def _from_seconds(value: Any) -> datetime:
    if isinstance(value, bool):
        raise TypeError
    return _EPOCH + timedelta(seconds=value)


def _from_iso(value: str) -> datetime:
    if not _ISO.fullmatch(value):
        raise ValueError
    return datetime.fromisoformat(value).astimezone(UTC)


_REQUIRED = frozenset({"id", "title", "href", "link", "submit_date"})
_ATTNAMES = {
    "id": "source_id",
    "title": "title",
    "href": "href",
    "link": "link",
    "submit_date": "submit_date",
    "promote_date": "promote_date",
    "comments": "comments",
    "diggs": "diggs",
    "media": "media",
    "description": "description",
    "status": "status",
    "container": "container",
    "topic": "topic",
    "user": "user",
    "thumbnail": "thumbnail",
    "shorturl": "shorturl",
}
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "id": _source_id,
    "submit_date": _moment,
    "promote_date": _moment,
    "comments": _count,
    "diggs": _count,
    **dict.fromkeys(("title", "href", "link", "media", "description", "status"), _text),
}
COLUMNS = tuple(_ATTNAMES.values())
"""The attribute names of the columns that a row fills."""
