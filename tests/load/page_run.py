"""The processes and data of a load test of the pages. Import this module after `django.setup`."""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from django.core.management import call_command
from django.db import connection

from stories.models import Story
from tests.load.bursts import Answer, Peak, Target, burst, calm, open_streams
from tests.support.web import Web, session_of
from users.models import User, UserType

_STORIES = 200
_PAGE, _STREAM = "/stories/", "/feed/stream"
_HEADER = (
    "| clients | answers | p50 s | p95 s | memory MB | threads | descriptors "
    "| connections: peak, after | answers within 1 s afterwards |"
)


def run(folder: Path, env: dict[str, str], options: argparse.Namespace) -> bool:
    """Run the bursts. Return whether the site behaved in all of them."""
    create_database()
    call_command("migrate", verbosity=0)
    link = "http://example.org/"
    Story.objects.bulk_create(
        Story(title=f"story {number}", description="x" * 500, href=link, link=link)
        for number in range(_STORIES)
    )
    worker = User.objects.create_user("w@e.example", name="W", user_type=UserType.TECHNICAL_WORKER)
    show(_HEADER)
    show("|---" * _HEADER.count(" |") + "|")
    call_command("collectstatic", interactive=False, verbosity=0)
    cookie = session_of(worker)
    connection.close()
    with Web(folder / "web.log", env, debug=False) as web:
        address = urlsplit(web.url)
        target = Target(
            host=str(address.hostname),
            port=address.port or 0,
            cookie=cookie,
            path=options.path,
        )
        process = psutil.Process(web.process.pid)
        peak = Peak(counter())
        rows = [
            asyncio.run(measure(target, peak, process, clients, max(clients, options.requests)))
            for clients in map(int, options.clients.split(","))
        ]
    return all(rows)


async def measure(
    target: Target, peak: Peak, web: psutil.Process, clients: int, requests: int
) -> bool:
    """Run a burst and print its row. Return whether the site behaved."""
    peak.figures.clear()
    observing = asyncio.create_task(peak.observe(web))
    if target.path == _STREAM:
        answers = await open_streams(target, clients)
    else:
        answers = await burst(target, clients=clients, requests=requests)
    seconds = await calm(replace(target, path=_PAGE))
    observing.cancel()
    figures = peak.figures
    afterwards = f"{seconds:.2f} s" if seconds else "NO"
    show(
        f"| {clients} | {_statuses(answers)} | {' | '.join(_percentiles(answers))} "
        f"| {figures['memory']} | {figures['threads']} | {figures['descriptors']} "
        f"| {figures['connections']}, {peak.connections()} | {afterwards} |"
    )
    return seconds is not None and all(map(_is_right, answers))


def counter() -> Callable[[], int]:
    """Return a function that counts the connections on the database server; 0 for SQLite."""
    if connection.vendor != "mysql":
        return lambda: 0
    # The driver's own connection may be used in an event loop.
    driver: Any = connection.get_new_connection(connection.get_connection_params())

    def count() -> int:
        cursor = driver.cursor()
        cursor.execute("SHOW STATUS LIKE 'Threads_connected'")
        return int(cursor.fetchone()[1]) - 1  # without the connection of this program

    return count


def show(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def create_database() -> None:
    """Create the database in the settings on MySQL or MariaDB; SQLite creates its file itself."""
    if connection.vendor == "mysql":
        name = connection.settings_dict["NAME"]
        connection.settings_dict["NAME"] = ""
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE DATABASE {connection.ops.quote_name(name)} CHARACTER SET utf8mb4"
            )
        connection.close()
        connection.settings_dict["NAME"] = name


def _is_right(answer: Answer) -> bool:
    return answer.status == 200 or (answer.status == 503 and answer.retry_after is not None)


def _statuses(answers: Sequence[Answer]) -> str:
    found = Counter(answer.status for answer in answers)
    return ", ".join(f"{count} x {status}" for status, count in sorted(found.items()))


def _percentiles(answers: Sequence[Answer]) -> list[str]:
    times = sorted(answer.seconds for answer in answers)
    return [f"{times[int(len(times) * part)]:.2f}" for part in (0.5, 0.95)]
