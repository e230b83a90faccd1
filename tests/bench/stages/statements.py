"""Repeats the statements of saves without Django: the time that the database alone needs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

from stories.models import Story
from tests.bench.databases import capturing, use
from tests.bench.results import Results
from tests.bench.stories import marks, new_story
from tests.bench.writes import CAPTURED, PLAIN

Statement = tuple[str, Any]


def measure(database: str, saves: int, found: Results) -> None:
    """Save `saves` stories, repeat the recorded statements, and add the mean duration of a save."""
    use(database)
    for kind, topic in ((PLAIN, None), (CAPTURED, database)):
        with capturing(topic):
            stories = [new_story() for _ in range(saves)]
            new = [_recorded(story) for story in stories]
            for story in stories:
                story.diggs = next(marks)
            existing = [_recorded(story) for story in stories]
        with capturing(None):
            # Otherwise the repeated statements would change nothing.
            Story.objects.update(diggs=0)
            found.add(kind, "writer: statements of a save of a new story, ms", _ms(new))
            found.add(kind, "writer: statements of a save of an existing story, ms", _ms(existing))
            Story.objects.all().delete()


def _recorded(story: Story) -> list[Statement]:
    with recording() as found:
        story.save()
    return found


@contextmanager
def recording() -> Iterator[list[Statement]]:
    """Yield a list to which the statements of this connection and their parameters are added."""
    found: list[Statement] = []

    def record(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        found.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield found


def _ms(saves: Sequence[Sequence[Statement]]) -> float:
    """Repeat the statements of each save, and return the mean duration in milliseconds."""
    connection.ensure_connection()
    began = time.perf_counter()
    for statements in saves:
        repeat(statements)
    return (time.perf_counter() - began) * 1000 / len(saves)


def repeat(statements: Sequence[Statement]) -> None:
    """Execute the statements by the driver; several statements are one transaction."""
    driver = connection.connection
    if len(statements) == 1:
        _execute(driver, *statements[0])
        return
    driver.autocommit(False)
    for sql, params in statements:
        _execute(driver, sql, params)
    driver.commit()
    driver.autocommit(True)


def _execute(driver: Any, sql: str, params: Any) -> None:
    with driver.cursor() as cursor:
        cursor.execute(sql, params)
        if cursor.description is not None:
            cursor.fetchall()
