"""The test run, by `python -m tests [--units] [--db mysql,mariadb,sqlite] [pytest's arguments]`.

Starts Kafka, mongod and the databases in a temporary folder, runs the suite on the first
database and what is marked `database` on each other, stops everything, and ends with one line
that says what was run and what was not. With `--units` it starts nothing.
"""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from project.console import Console
from project.stack.errors import StackError
from project.stack.kafka import Kafka
from project.stack.mongod import Mongod
from project.stack.ports import free_port
from project.stack.service import Service
from tests.databases import DATABASES, SQLITE, Database

ROOT = Path(__file__).resolve().parent.parent
NEEDS_ALL_SERVERS = "tests/project/stack/test_sql_server.py"
UNITS = "not services and not faults and not browser and not database"
ADDRESSES = ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI")
PYTEST_CODES = range(6)
# A person's own settings must not change what the tests mean.
FOREIGN = (
    *("ALLOWED_HOSTS", "CONSUMER_GROUP", "CSRF_TRUSTED_ORIGINS", "DELETE_MARKER_DAYS"),
    *("DJANGO_DEBUG", "DJANGO_SETTINGS_MODULE", "EMAIL_URL", "HISTORY_DAYS", "KAFKA_CONFIG"),
    *("KAFKA_PARTITIONS", "KAFKA_REPLICATION_FACTOR", "KAFKA_TOPIC", "LOG_FORMAT", "LOG_LEVEL"),
    *("MAX_EVENT_BYTES", "METRICS_PORT", "MONGODB_DATABASE", "REPLICA_COLLECTIONS"),
    *("TRUSTED_PROXIES", "WEB_WORKERS"),
)


def main() -> int:
    """Run what was asked for; the exit code is the worst of all runs'."""
    parser = argparse.ArgumentParser(prog="python -m tests")
    parser.add_argument("--db", default=",".join(DATABASES), help="default: %(default)s")
    parser.add_argument("--units", action="store_true", help="only what needs no servers")
    options, arguments = parser.parse_known_args()
    asked = [name for name in DATABASES if name in options.db.split(",")]
    if not asked:
        parser.error(f"--db is {options.db!r}: give some of {','.join(DATABASES)}.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="storyfeed-tests-") as folder:
            if options.units:
                return run_units(Path(folder), arguments, console)
            return run(Path(folder), asked, arguments, console)
    except StackError as error:
        console.show(f"storyfeed tests: {error}")
        return 1


def run(folder: Path, asked: Sequence[str], arguments: Sequence[str], console: Console) -> int:
    """Run the suite on each database in turn."""
    left_out = {name: "not asked for" for name in DATABASES if name not in asked}
    with ExitStack() as stack:
        env = stack.enter_context(feed_servers(folder, console))
        databases = {}
        for name in asked:
            try:
                databases[name] = stack.enter_context(started(DATABASES[name], folder, console))
            except StackError as error:
                if os.geteuid() == 0:  # then it should be there
                    raise
                left_out[name] = str(error)
        codes = {
            name: max(
                run_pytest(name, url, env, [*chosen, *arguments], console)
                for chosen in selections(databases, number, whole=not arguments)
            )
            for number, (name, url) in enumerate(databases.items())
        }
    if not arguments and shutil.which("chromium") is None:
        left_out["the browser's tests"] = "Chromium is not installed"
    console.show(last_line(codes, left_out, arguments))
    return max(codes.values())


def run_units(folder: Path, arguments: Sequence[str], console: Console) -> int:
    """Run what needs no servers, on SQLite."""
    env = environment(folder, **dict.fromkeys(ADDRESSES, ""))
    url = DATABASES[SQLITE].url(None, folder)
    return run_pytest(SQLITE, url, env, ["-m", UNITS, *arguments], console)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a run whose data are in `folder`."""
    home = folder / "home"
    (home / "static").mkdir(parents=True)  # WhiteNoise warns when it is missing
    return {
        **{name: value for name, value in os.environ.items() if name not in FOREIGN},
        "STORYFEED_HOME": str(home),
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        **more,
    }


@contextmanager
def feed_servers(folder: Path, console: Console) -> Iterator[dict[str, str]]:
    """Kafka and mongod, and the environment that tells of them."""
    kafka = Kafka(folder / "kafka", port := free_port(), free_port([port]))
    mongod = Mongod(folder / "mongod", free_port([kafka.port, kafka.controller_port]))
    with running([kafka, mongod], console):
        addresses = zip(ADDRESSES, (kafka.bootstrap_servers, mongod.uri), strict=True)
        yield environment(folder, **dict(addresses))


@contextmanager
def started(database: Database, folder: Path, console: Console) -> Iterator[str]:
    """A database's URL while it runs."""
    server = database.server(folder)
    with running([server] if server else [], console):
        yield database.url(server, folder)


@contextmanager
def running(services: Sequence[Service], console: Console) -> Iterator[None]:
    """Servers, stopped in reverse whatever happens."""
    with ExitStack() as stack:
        for service in services:
            service.install()
            stack.callback(service.stop)
            service.launch()
        for service in services:
            service.wait_ready()
            console.say(f"{service.name} answers on {service.address}")
        yield


def selections(databases: dict[str, str], number: int, *, whole: bool) -> list[list[str]]:
    """The first database gets the whole suite, the others what depends on a database.

    The browser's tests get a process of their own: their driver keeps an event loop running in it,
    which other asynchronous tests cannot bear.
    """
    if number:
        return [["-m", "database"]]
    complete = set(databases) == set(DATABASES)
    ignored = [] if complete else [f"--ignore={NEEDS_ALL_SERVERS}"]
    if not whole:
        return [ignored]
    rest = [*ignored, "-m", "not browser"]
    return [rest, [*ignored, "-m", "browser"]] if shutil.which("chromium") else [rest]


def run_pytest(
    name: str, url: str, env: dict[str, str], arguments: Sequence[str], console: Console
) -> int:
    """Run pytest in a process of its own: Django's settings are read once in each."""
    console.say(f"pytest {' '.join(arguments)} on {name}")
    command = [sys.executable, "-m", "pytest", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**env, "DATABASE_URL": url}, check=False)
    if done.returncode not in PYTEST_CODES:
        # It did not come to its own closing line.
        console.show(f"storyfeed tests: pytest on {name} was cut off (code {done.returncode})")
    return abs(done.returncode)  # a signal's number is negative, and is no less a failure


def last_line(codes: dict[str, int], left_out: dict[str, str], arguments: Sequence[str]) -> str:
    """What was run on which database, what was not and why."""
    whole, *others = codes
    suite = f"pytest {' '.join(arguments)}" if arguments else "the whole suite"
    parts = [f"{suite} on {whole}"] + [f"the database tests on {name}" for name in others]
    failed = [name for name, code in codes.items() if code]
    verdict = f"FAILED on {', '.join(failed)}" if failed else "passed"
    missing = "; ".join(f"{name} ({why})" for name, why in left_out.items()) or "nothing"
    no_root = " This part needs no root." if list(codes) == [SQLITE] else ""
    return f"storyfeed tests: {verdict}. Run: {', '.join(parts)}. Not run: {missing}.{no_root}"


if __name__ == "__main__":
    sys.exit(main())
