"""The topics of the stories."""

import re
from typing import Any

from django.db import connections, router
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils.text import slugify

from stories.listing.expressions import JSONName
from stories.models import Story

MOST_TOPICS = 100
"""The maximum number of topics that are listed."""
_RECENT = 10_000
"""The number of newest stories whose topics are listed on MariaDB."""
# Each step seeks the next name in the index. DISTINCT would read the whole index.
_SEEK = """
WITH RECURSIVE topics (step, name) AS (
    SELECT 1, ({first})
    UNION ALL
    SELECT step + 1, ({following}) FROM topics WHERE name IS NOT NULL AND step < %s
)
SELECT name FROM topics WHERE name IS NOT NULL
"""


def topics() -> list[str]:
    """Return the names of at most 100 topics, in alphabetical order."""
    using = router.db_for_read(Story)
    connection = connections[using]
    if not connection.features.supports_expression_indexes:
        return sorted(_recent_names(), key=str.casefold)[:MOST_TOPICS]
    (first, values), (following, _) = (
        _first(after, using) for after in ("", RawSQL("topics.name", []))
    )
    with connection.cursor() as cursor:
        cursor.execute(_SEEK.format(first=first, following=following), [*values, MOST_TOPICS])
        return sorted((name for (name,) in cursor.fetchall()), key=str.casefold)


def known_topic(text: str) -> str:
    """Return the topic that a parameter names, or an empty string.

    The parameter can spell the name differently: `linux_unix` is the topic `Linux/Unix`.
    """
    if Story.objects.alias(name=JSONName("topic")).filter(name=text).exists():
        return text
    return next((name for name in topics() if _plain(name) == _plain(text)), "")


def topic_object(name: str) -> dict[str, Any]:
    """Return the JSON of a topic, as stored in the newest story that has this topic.

    If no story has this topic, return a new JSON object.
    """
    stories = Story.objects.alias(name=JSONName("topic")).filter(name=name)
    found = stories.values_list("topic", flat=True).first()
    return found if isinstance(found, dict) else {"name": name, "short_name": slugify(name)}


def _names(after: Any = "") -> QuerySet[Any, Any]:
    names = Story.objects.annotate(name=JSONName("topic")).order_by("name")
    return names.filter(name__gt=after).values_list("name", flat=True)


def _recent_names() -> set[str]:
    """Return the topics of the newest stories: without an index, reading all topics is too slow."""
    stories = Story.objects.annotate(name=JSONName("topic")).order_by("-submit_date")
    names = stories.values_list("name", flat=True)[:_RECENT]
    return {name for name in names if name}


def _first(after: Any, using: str) -> tuple[str, list[Any]]:
    """Return the SQL that selects the first topic name after `after`."""
    sql, values = _names(after)[:1].query.get_compiler(using).as_sql()
    return sql, list(values)


def _plain(text: str) -> str:
    """Return the letters and digits of a string, in lower case."""
    return re.sub(r"[\W_]+", "", text.casefold())
