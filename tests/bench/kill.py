"""Measures how a SIGKILL of a system during writes affects the documents in MongoDB."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from project.stack.errors import StackError
from tests.bench.results import Results
from tests.bench.stories import new_story
from tests.bench.system import System
from tests.bench.traffic import write
from tests.bench.watcher import Watcher, key_of, steps_back
from tests.support.equality import table_content

STORIES = 200
_OWN = ("_id", "_epoch", "_version")
_JSON = ("container", "topic", "user", "shorturl", "thumbnail")
_DATES = ("submit_date", "promote_date")


def measure(
    system: System,
    watcher: Watcher,
    rate: float,
    seconds: float,
    records: Callable[[str], int],
    found: Results,
) -> None:
    """Create, change and delete stories for `seconds`; halfway, kill and restart the system.

    `records` returns the number of records ever written to a topic.
    """
    stories = [new_story() for _ in range(STORIES)]
    with system.selected(), system.running():
        for story in stories:
            story.save()
        system.catch_up()
        before = records(system.topic)
        killed_at: list[float] = []

        def kill_and_restart() -> None:
            killed_at.append(time.monotonic())
            system.kill()
            system.start()

        with watcher:
            commits = write(system, stories, rate, seconds, mixed=True, meanwhile=kill_and_restart)
            differ = _differences_after_settling(system)
            settled = time.monotonic()
        deleted = sum(commit.mark is None for commit in commits)
        # A delete has two records, an event and a tombstone.
        repeated = records(system.topic) - before - len(commits) - deleted
        system.clear()
    name = system.title
    found.add(
        name,
        "after SIGKILL: from the kill until MySQL and MongoDB are equal, s",
        settled - killed_at[0],
    )
    found.add(name, "after SIGKILL: rows that differ at the end", differ)
    found.add(
        name,
        "after SIGKILL: times a document returned to an older state",
        steps_back(watcher.sights),
    )
    found.add(name, "after SIGKILL: records that the topic contains twice", repeated)


def _differences_after_settling(system: System) -> int:
    try:
        system.wait(lambda: not differing(system), "the last change")
    except StackError:
        return len(differing(system))
    return 0


def differing(system: System) -> set[int]:
    """Return the keys of rows and documents that do not have an equal counterpart."""
    rows = table_content()
    copies = {key_of(document["_id"]): plain(document) for document in system.replica.find()}
    return {key for key in rows.keys() | copies.keys() if rows.get(key) != copies.get(key)}


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row that a document of our system or of the peer represents.

    The peer stores JSON as text, and times as milliseconds since 1970. Both are converted back.
    """
    row = {name: value for name, value in document.items() if name not in _OWN}
    row.setdefault("id", key_of(document["_id"]))
    for name in _JSON:
        if isinstance(row.get(name), str):
            row[name] = json.loads(row[name])
    for name in _DATES:
        if isinstance(row.get(name), int):
            row[name] = datetime.fromtimestamp(row[name] / 1000, UTC)
    return row
