"""Times of the pages by the number of stories: `python -m tests.load.sizes --stories 1000,100000`.

Starts Kafka, mongod, a database server and one web process, and adds stories to the database and to
the replica until there are as many as the next number of the list. For each number, requests each
page several times in succession, and prints a row of a table with the median time of each page in
milliseconds, and the longest time in brackets. The first request of each page is not counted: it
fills the caches of the process.

The exit code is 1 if a page did not return status 200.
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
from tests.support.databases import DATABASES, SQLITE
from tests.support.servers import Servers


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.sizes")
    parser.add_argument("--db", choices=DATABASES, default=SQLITE)
    parser.add_argument("--stories", default="1000,100000,1000000", help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=30, help="for each page")
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
        return int(not import_module("tests.load.size_run").run(folder, env, options, console))


if __name__ == "__main__":
    sys.exit(main())
