"""Load test of one web process: `python -m tests.load.readers --readers 200 --rate 100`.

Starts Kafka and mongod, or uses the servers in KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI. Starts a
relay, a consumer and one web process on a new SQLite database. Saves stories while many clients
read the stream. Prints a line every ten seconds. The last line shows whether all clients received
all changes, the delays from capture to client, and the memory of the web process. The exit code is
1 if a change was missing or was received twice.

With `--restart`, the web process is restarted afterwards, while stories are saved. The clients come
back as browsers do: after the time that the stream asked for, and after the last event that they
received. A last line shows how long that took and how many came back within one second.
"""

import argparse
import asyncio
import os
import resource
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
from tests.load.clients import Clients
from tests.support.environment import ADDRESSES, environment, use
from tests.support.servers import Servers, errors_as_messages

_REPORT_SECONDS = 10.0
_PATIENCE_SECONDS = 60.0


class Writer(threading.Thread):
    """Saves stories at a steady rate."""

    def __init__(self, stories: list[Any], rate: float) -> None:
        super().__init__(daemon=True)
        self.saved, self.stopped = 0, False
        self._stories, self._rate = stories, rate

    def run(self) -> None:
        began = time.monotonic()
        while not self.stopped:
            story = self._stories[self.saved % len(self._stories)]
            story.diggs += 1
            story.save(update_fields=["diggs"])
            self.saved += 1
            time.sleep(max(began + self.saved / self._rate - time.monotonic(), 0))


async def measure(clients: Clients, writer: Writer, web: psutil.Process, seconds: float) -> bool:
    """Read and write for `seconds`. Return whether all clients received all changes once."""
    began = time.monotonic()
    await clients.connect()
    show(f"connected in {time.monotonic() - began:.0f} s, {clients.refused} refused", [])
    here = psutil.Process()
    web.cpu_percent()
    here.cpu_percent()
    writer.start()
    deadline = time.monotonic() + seconds
    memory = []
    all_delays: list[float] = []
    while time.monotonic() < deadline:
        await asyncio.sleep(min(_REPORT_SECONDS, seconds))
        memory.append(web.memory_info().rss / 1e6)
        all_delays += clients.delays
        usage = f"web {memory[-1]:.0f} MB, {web.cpu_percent():.0f}% of a core, "
        usage += f"{web.num_threads()} threads, {web.num_fds()} descriptors"
        # At 100%, this program is the bottleneck, and the web process is not.
        usage += f", this program {here.cpu_percent():.0f}%"
        progress = f"saved {writer.saved}, received {min(clients.counts)} or more"
        show(f"{progress}; {usage}", clients.delays)
        clients.delays.clear()
    writer.stopped = True
    writer.join()
    await clients.wait_for(writer.saved, _PATIENCE_SECONDS)
    complete = set(clients.counts) == {writer.saved} and not clients.doubled
    counts = f"{min(clients.counts)} to {max(clients.counts)}"
    verdict = (
        "all received once" if complete else f"MISSING OR TWICE, {clients.ended} ended: {counts}"
    )
    growth = f"web memory {memory[0]:.0f} MB at the start, {memory[-1]:.0f} MB at the end"
    total = f"{len(clients.received)} clients, {writer.saved} changes"
    show(f"{total}: {verdict}; {growth}", all_delays)
    return complete


def show(text: str, delays: list[float]) -> None:
    """Print a line with percentiles of delays."""
    found = delays_of(delays)
    times = [f"{(value or 0) * 1000:.0f}" for value in (found.p50, found.p95, found.p99)]
    sys.stdout.write(f"{text}; p50/p95/p99 {'/'.join(times)} ms\n")
    sys.stdout.flush()


@errors_as_messages()
def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.readers")
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=100.0, help="changes per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--restart", action="store_true", help="restart the web process, too")
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
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
        use(env)
        django.setup()
        # This module can be imported only after Django is set up.
        return int(not import_module("tests.load.run").run(folder, env, options))


if __name__ == "__main__":
    sys.exit(main())
