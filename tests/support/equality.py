"""Compares rows read by raw SQL with the documents, without any code of `cdc`."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from pymongo import MongoClient

COLLECTIONS = ("stories_story", "stories_story_1", "stories_story_2")
_JSON = frozenset({"container", "topic", "user", "shorturl", "thumbnail"})
_DATES = frozenset({"submit_date", "promote_date"})


def table_content() -> dict[int, dict[str, Any]]:
    """Return the stories by id, in the form of the documents."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM stories_story")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["id"]: {name: _value(name, value) for name, value in row.items()} for row in rows}


def replica_content(uri: str, database: str) -> list[dict[int, dict[str, Any]]]:
    """Return each collection's documents by `_id`, without `_epoch` and `_version`."""
    client: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True)
    with client:
        return [
            {item.pop("_id"): _plain(item) for item in client[database][name].find()}
            for name in COLLECTIONS
        ]


def wait_until_equal(
    uri: str,
    database: str,
    seconds: float = 90.0,
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Wait until the table and all collections are equal. On a timeout, show the difference.

    `meanwhile` is called again and again.
    """
    deadline = time.monotonic() + seconds
    while True:
        wanted = table_content()
        found = replica_content(uri, database)
        if all(content == wanted for content in found):
            return
        if time.monotonic() > deadline:
            for content in found:
                assert content == wanted
        meanwhile()
        time.sleep(0.1)


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    assert isinstance(document.pop("_epoch"), int)
    assert isinstance(document.pop("_version"), int)
    return document


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON:
        return json.loads(value)
    if name in _DATES:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    return value
