"""The servers and settings of the measurements that need all servers."""

import argparse
import secrets
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import django

from project.up.console import Console
from tests.support.environment import ADDRESSES, environment, use
from tests.support.servers import Servers, errors_as_messages


@errors_as_messages()
def measure(module: str, options: argparse.Namespace) -> int:
    """Start Kafka, mongod and the database `options.db`, and call `run` of a module.

    The module is imported only then, because it needs Django. Return the exit code.
    """
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
        use(env)
        django.setup()
        return int(not import_module(module).run(folder, env, options, console))
