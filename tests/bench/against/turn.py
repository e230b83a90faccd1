"""One turn: `python -m tests.bench.against.turn NAME FILE RATE SECONDS CHANGES`.

Measures the code in the working folder, and writes the values to FILE. NAME names the databases.
The environment contains the addresses of the running servers.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from pymongo import MongoClient

from project.stack.errors import StackError
from project.up.console import Console
from tests.bench.interruption import exit_on_signals
from tests.bench.results import Results


def main() -> int:
    name, file, rate, seconds, changes = sys.argv[1:]
    exit_on_signals()
    console = Console()
    django.setup()
    with MongoClient[dict[str, Any]](os.environ["MONGODB_URI"], tz_aware=True) as client:
        systems = import_module("tests.bench.systems")  # only after django.setup()
        servers = systems.Servers(
            folder=Path(file).parent, env=dict(os.environ), client=client, console=console
        )
        found = Results(console, Path(file))
        try:
            _measure(servers, name, (float(rate), float(seconds), int(changes)), found)
        except StackError as error:
            console.show(f"storyfeed bench: {error}")
            return 1
    return 0


def _measure(servers: Any, name: str, sizes: tuple[float, float, int], found: Results) -> None:
    systems, backlog, delay = (
        import_module(f"tests.bench.{each}") for each in ("systems", "backlog", "delay")
    )
    rate, seconds, changes = sizes
    for title, collections in ((systems.ONE, [systems.TABLE]), (systems.THREE, [])):
        ours = systems.ours(servers, title, f"{name}_{len(collections)}", collections)
        delay.measure(ours, servers.watcher(ours), rate, seconds, found)
        backlog.measure(ours, changes, found)
        systems.forget(servers, ours)


if __name__ == "__main__":
    sys.exit(main())
