"""The processes of `tests.load.resync`. Import this module after `django.setup`."""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from django.core.management import call_command
from pymongo import MongoClient

from cdc.api import registry
from cdc.conf import cdc_settings
from cdc.kafka.topics import Topics
from cdc.models import OutboxRecord
from project.up.console import Console
from stories.models import Story
from tests.bench.databases import capturing
from tests.load.page_run import create_database, show
from tests.load.size_run import demo_stories
from tests.support.processes import Daemon

_BATCH = 1_000
_PARTS = 10
_SECONDS = 0.5


def run(folder: Path, env: dict[str, str], options: argparse.Namespace, console: Console) -> bool:
    """Measure both commands. Return whether both succeeded."""
    create_database()
    call_command("migrate", verbosity=0)
    Topics(cdc_settings()).ensure(cdc_settings().topic)
    _add(options.stories, console)
    daemons = {
        "relay": Daemon(folder / "relay.log", env, "relay_outbox"),
        "consumer": Daemon(folder / "consumer.log", env, "consume_and_save_to_mongodb"),
    }
    parts = " | ".join(f"{part}0 %" for part in range(1, 11))
    show(f"| step | seconds | process | processor seconds | {parts} |")
    show("|---" * (_PARTS + 4) + "|")
    try:
        daemons["consumer"].wait_for("partition.taken")
        snapshot = Daemon(folder / "snapshot.log", env, "send_to_kafka")
        if not _measured(snapshot, "send_to_kafka", daemons, partial(_copied, options.stories)):
            return False
        reconciliation = Daemon(folder / "reconcile.log", env, "reconcile")
        return _measured(reconciliation, "reconcile", daemons, lambda: True)
    finally:
        for daemon in daemons.values():
            daemon.stop()


def _add(count: int, console: Console) -> None:
    """Add stories to the database, without events."""
    made = demo_stories(count)
    with capturing(None):
        for done in range(0, count, _BATCH):
            Story.objects.bulk_create([next(made) for _ in range(min(_BATCH, count - done))])
            if done % (100 * _BATCH) == 0:
                console.say(f"{done:,} stories")


def _measured(
    command: Daemon, name: str, daemons: Mapping[str, Daemon], done: Callable[[], bool]
) -> bool:
    """Wait until the command has ended and `done` holds, and print what all processes used.

    Return whether the command succeeded.
    """
    pids = {**_servers(), name: command.pid, **{each: daemons[each].pid for each in daemons}}
    memory: dict[str, list[float]] = defaultdict(list)
    processor = {each: _processor_seconds(pid) for each, pid in pids.items()}
    first = {**processor, name: 0.0}
    began = time.monotonic()
    while command.alive() or not done():
        for each, pid in pids.items():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                memory[each].append(psutil.Process(pid).memory_info().rss / 1e6)
                processor[each] = _processor_seconds(pid)
        time.sleep(_SECONDS)
    seconds = time.monotonic() - began
    for each, values in memory.items():
        used = processor[each] - first[each]
        parts = " | ".join(_tenths(values))
        show(f"| {name} | {seconds:.1f} | {each} | {used:.1f} | {parts} |")
    if command.exit_code:
        show(command.log)
    return command.exit_code == 0


def _servers() -> dict[str, int]:
    """Return the process id of each local server, by its program's name."""
    children = psutil.Process().children(recursive=True)
    return {each.name(): each.pid for each in children if not each.name().startswith("python")}


def _processor_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _tenths(values: Sequence[float]) -> list[str]:
    """Return the median of each tenth of the values."""
    ends = [len(values) * part // _PARTS for part in range(_PARTS + 1)]
    parts = [values[start:end] for start, end in pairwise(ends)]
    return [f"{median(part):.0f}" if part else "-" for part in parts]


def _copied(count: int) -> bool:
    """Return whether each collection has `count` documents and the outbox is empty."""
    capture = registry.find(Story)
    assert capture is not None
    client: MongoClient[dict[str, Any]] = MongoClient(cdc_settings().mongodb_uri)
    with client:
        database = client[cdc_settings().mongodb_database]
        counts = {database[each].estimated_document_count() for each in capture.collections}
    return counts == {count} and not OutboxRecord.objects.exists()
