"""Load test of the pages: `python -m tests.load.pages --db mysql --clients 1,10,100,1000`.

Starts a database server with its default settings and one web process. Lets more and more clients
request a page at once, and prints a row of a table for each number of clients: the statuses, the
percentiles of the time to the answer, the highest figures of the process, the connections on the
database server at the peak and after the burst, and whether the site responds within 1 s of the end
of the burst. With `--path /feed/stream`, each client opens a stream.

The exit code is 1 if an answer was neither 200 nor 503 with `Retry-After`, or if the site did not
respond after a burst.
"""

import argparse
import secrets
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import django

from project.up.console import Console
from tests.support.databases import DATABASES
from tests.support.environment import ADDRESSES, environment, use
from tests.support.servers import Servers, errors_as_messages


@errors_as_messages()
def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.pages")
    parser.add_argument("--db", choices=DATABASES, default="mysql")
    parser.add_argument("--clients", default="1,10,100,1000", help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=300, help="at least this many for each row")
    parser.add_argument("--path", default="/stories/")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="storyfeed-load-") as name, ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(Servers(folder, Console()).database(options.db))
        # The pages under test need neither Kafka nor MongoDB.
        env = environment(folder, **dict.fromkeys(ADDRESSES, ""))
        env.update(
            DATABASE_URL=url(f"load_{secrets.token_hex(4)}"),
            DJANGO_SETTINGS_MODULE="project.settings",
        )
        use(env)
        django.setup()
        # This module can be imported only after Django is set up.
        return int(not import_module("tests.load.page_run").run(folder, env, options))


if __name__ == "__main__":
    sys.exit(main())
