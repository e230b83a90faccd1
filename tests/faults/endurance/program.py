"""What both programs need before they can import Django's models."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import django

from tests.faults.schedule.servers import Servers
from tests.support.databases import DATABASES, SQLITE
from tests.support.environment import environment, use


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that both programs have."""
    options = argparse.ArgumentParser(
        prog=f"python -m tests.faults.{name}", description=description
    )
    kinds = [kind for kind in DATABASES if kind != SQLITE]
    options.add_argument("--db", choices=kinds, default="mysql")
    options.add_argument("--json", type=Path, help="a file to which the result is written")
    options.add_argument(
        "--folder", type=Path, help="keep the logs and the data in this new folder"
    )
    return options


@contextmanager
def prepared(options: argparse.Namespace, *, plain: bool) -> Iterator[tuple[Path, Servers]]:
    """Start three brokers, a replica set of three and a database, and set Django up to use them."""
    # Otherwise, the servers would not be stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with ExitStack() as stack:
        folder = _folder(options.folder, stack)
        servers = Servers(folder, options.db, cluster=True, seed=1, plain=plain)
        servers.start(stack)
        use(
            environment(
                folder,
                DATABASE_URL=f"{servers.server_url}/none",
                DJANGO_SETTINGS_MODULE="project.settings",
                KAFKA_BOOTSTRAP_SERVERS=servers.bootstrap_servers,
                MONGODB_URI=servers.mongodb_uri,
            )
        )
        django.setup()
        yield folder, servers


def _folder(wanted: Path | None, stack: ExitStack) -> Path:
    if wanted is None:
        temporary = tempfile.TemporaryDirectory(prefix="storyfeed-endurance-")
        return Path(stack.enter_context(temporary))
    wanted.mkdir(parents=True)
    return wanted.absolute()


def show(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
