"""Time and memory of a snapshot and a reconciliation: `python -m tests.load.resync`.

Starts Kafka, mongod, a database server, a relay and a consumer, and adds stories to the database
without events. Then runs `send_to_kafka`, waits until MongoDB has all stories, and runs
`reconcile`. Prints a row of a table for each process: the resident memory in MB, as the median of
each tenth of the time.

The exit code is 1 if a command failed, or if `reconcile` found a difference.
"""

import argparse
import os
import secrets
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import django

from project.up.console import Console
from tests.__main__ import ADDRESSES, environment
from tests.support.databases import DATABASES
from tests.support.servers import Servers


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.resync")
    parser.add_argument("--db", choices=DATABASES, default="mysql")
    parser.add_argument("--stories", type=int, default=1_000_000, help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storyfeed-load-") as name, ExitStack() as stack:
        folder, console = Path(name), Console()
        servers = Servers(folder, console)
        addresses = stack.enter_context(servers.feed())
        url = stack.enter_context(servers.database(options.db))
        env = environment(folder, **dict(zip(ADDRESSES, addresses, strict=True)))
        unique = f"load_{secrets.token_hex(4)}"
        env.update(
            DATABASE_URL=url(unique),
            MONGODB_DATABASE=unique,
            DJANGO_SETTINGS_MODULE="project.settings",
        )
        os.environ.update(env)
        django.setup()
        # This module can be imported only after Django is set up.
        return int(not import_module("tests.load.resync_run").run(folder, env, options, console))


if __name__ == "__main__":
    sys.exit(main())
