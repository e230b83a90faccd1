"""Many readers of one web process: `python -m tests.load.readers --readers 200 --rate 100`.

Starts Kafka and mongod (or uses those that KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI name), a relay,
a consumer and one web process over an SQLite database in a temporary folder; saves stories and
reads the stream as so many people would. Prints a line every ten seconds and at the end whether all
received all, how long a change took from its capture to its reader, and the memory of the web
process. Exit code 1 when anything is missing or came twice.
"""

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import django
import psutil

from cdc.status.latency import delays_of
from project.up.console import Console
from tests.__main__ import ADDRESSES, environment
from tests.load.crowd import Crowd
from tests.support.servers import Servers

_REPORT_SECONDS = 10.0
_PATIENCE_SECONDS = 60.0


class Writer(threading.Thread):
    """Saves stories, so many a second."""

    def __init__(self, stories: list[Any], rate: float) -> None:
        super().__init__(daemon=True)
        self.saved, self.stopped = 0, False
        self._stories, self._rate = stories, rate

    def run(self) -> None:
        """Save until told to stop."""
        began = time.monotonic()
        while not self.stopped:
            story = self._stories[self.saved % len(self._stories)]
            story.diggs += 1
            story.save(update_fields=["diggs"])
            self.saved += 1
            time.sleep(max(began + self.saved / self._rate - time.monotonic(), 0))


async def measure(crowd: Crowd, writer: Writer, web: psutil.Process, seconds: float) -> bool:
    """Let everybody read for so long; return whether all received all, once."""
    await crowd.gather()
    here = psutil.Process()
    web.cpu_percent()
    here.cpu_percent()
    writer.start()
    deadline = time.monotonic() + seconds
    memory = []
    every: list[float] = []
    while time.monotonic() < deadline:
        await asyncio.sleep(min(_REPORT_SECONDS, seconds))
        memory.append(web.memory_info().rss / 1e6)
        every += crowd.delays
        told = f"web {memory[-1]:.0f} MB, {web.cpu_percent():.0f}% of a core"
        told += f", this program {here.cpu_percent():.0f}%"  # at 100 it is the limit, not the web
        show(f"saved {writer.saved}, received {min(crowd.counts)} or more; {told}", crowd.delays)
        crowd.delays.clear()
    writer.stopped = True
    writer.join()
    await crowd.reach(writer.saved, _PATIENCE_SECONDS)
    whole = set(crowd.counts) == {writer.saved} and not crowd.doubled
    verdict = "all received all, once" if whole else f"MISSING OR TWICE: {sorted(crowd.counts)}"
    growth = f"web memory {memory[0]:.0f} MB at first, {memory[-1]:.0f} MB at last"
    show(f"{len(crowd.seen)} readers, {writer.saved} changes: {verdict}; {growth}", every)
    return whole


def show(text: str, delays: list[float]) -> None:
    """Print a line with the percentiles of some delays."""
    of = delays_of(delays)
    times = [f"{(value or 0) * 1000:.0f}" for value in (of.p50, of.p95, of.p99)]
    sys.stdout.write(f"{text}; p50/p95/p99 {'/'.join(times)} ms\n")
    sys.stdout.flush()


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.readers")
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=100.0, help="changes a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storyfeed-load-") as name, ExitStack() as stack:
        folder = Path(name)
        addresses = [os.environ.get(address, "") for address in ADDRESSES]
        if not all(addresses):
            addresses = list(stack.enter_context(Servers(folder, Console()).feed()))
        env = environment(folder, **dict(zip(ADDRESSES, addresses, strict=True)))
        run = secrets.token_hex(4)
        env.update(
            DATABASE_URL=f"sqlite:///{folder}/load.sqlite3",
            DJANGO_SETTINGS_MODULE="project.settings",
            KAFKA_TOPIC=f"load-{run}",
            MONGODB_DATABASE=f"load_{run}",
        )
        os.environ.update(env)
        django.setup()
        # What needs Django can only be imported now.
        return int(not import_module("tests.load.scene").play(folder, env, options))


if __name__ == "__main__":
    sys.exit(main())
