"""The data and the requests of `tests.load.sizes`. Import this module after `django.setup`."""

import argparse
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pymongo import MongoClient

from cdc.api import registry
from cdc.conf import cdc_settings
from cdc.kafka.topics import Topics
from cdc.mongo.plan import content
from project.up.console import Console
from stories.demo_calendar import moments
from stories.demo_stories import demo_story
from stories.models import Story
from tests.bench.databases import capturing
from tests.load.page_run import create_database, show
from tests.support.web import SECONDS, Web, session_of
from users.models import User, UserType

_BATCH = 1_000
_PAGES = {
    "list": "/stories/",
    "list by diggs": "/stories/?sort=diggs",
    "list of a topic": "/stories/?topic=Weather",
    "search": "/stories/?q=harbour",
    "search without a result": "/stories/?q=zzz",
    "dashboard, 30 days": "/senior_management/?days=30",
    "dashboard, all": "/senior_management/?days=all",
    "feed": "/feed/",
    "pipeline": "/operations/",
    "admin list": "/admin/stories/story/",
    "admin search": "/admin/stories/story/?q=harbour",
}


def run(folder: Path, env: dict[str, str], options: argparse.Namespace, console: Console) -> bool:
    """Measure the pages for each number of stories. Return whether all requests succeeded."""
    create_database()
    call_command("migrate", verbosity=0)
    Topics(cdc_settings()).ensure(cdc_settings().topic)
    call_command("collectstatic", interactive=False, verbosity=0)
    person = User.objects.create_superuser(
        "a@e.example", name="A", user_type=UserType.SENIOR_MANAGEMENT
    )
    cookie = session_of(person)
    sizes = [int(size) for size in options.stories.split(",")]
    made = demo_stories(max(sizes))
    show(f"| stories | {' | '.join(_PAGES)} |")
    show("|---" * (len(_PAGES) + 1) + "|")
    succeeded = True
    for size in sizes:
        _add(made, size, console)
        connection.close()
        # A process for each size, so that no cache holds figures of another size.
        with Web(folder / "web.log", env, debug=False) as web:
            times = [_times(web.url, path, cookie, options.requests) for path in _PAGES.values()]
        show(f"| {size:,} | {' | '.join(map(_cell, times))} |")
        succeeded &= all(times)
    return succeeded


def demo_stories(count: int) -> Iterator[Story]:
    """Yield demo stories of the last year."""
    now = timezone.now()
    for number, submitted in enumerate(moments(count, now), 1):
        yield demo_story(number, now, submitted)


def _add(made: Iterator[Story], size: int, console: Console) -> None:
    """Add stories to the database and the replica until there are `size`, without events."""
    capture = registry.find(Story)
    assert capture is not None
    client: MongoClient[dict[str, Any]] = MongoClient(cdc_settings().mongodb_uri)
    with client, capturing(None):
        count = Story.objects.count()
        while count < size:
            batch = [next(made) for _ in range(min(_BATCH, size - count))]
            Story.objects.bulk_create(batch)
            rows = (capture.wire_row(vars(story)) for story in batch)
            version = {"_epoch": 1, "_version": 1}
            documents = [{**content(row["id"], row, capture.columns), **version} for row in rows]
            for name in capture.collections:
                client[cdc_settings().mongodb_database][name].insert_many(documents)
            count += len(batch)
            if count % (100 * _BATCH) == 0:
                console.say(f"{count:,} stories")


def _times(url: str, path: str, cookie: str, requests: int) -> list[float]:
    """Return the milliseconds of each request; empty if one did not return status 200."""
    address = urlsplit(url)
    found = []
    http = HTTPConnection(str(address.hostname), address.port, timeout=SECONDS)
    for _ in range(requests + 1):
        began = time.perf_counter()
        http.request("GET", path, headers={"Cookie": f"sessionid={cookie}"})
        response = http.getresponse()
        response.read()
        found.append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            show(f"{path} returned status {response.status}.")
            return []
    return found[1:]


def _cell(times: Sequence[float]) -> str:
    return f"{median(times):.0f} ({max(times):.0f})" if times else "-"
