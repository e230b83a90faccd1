"""The databases on which the tests run."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from project.stack.errors import StackError
from project.stack.ports import free_port
from project.stack.service import Service

SQLITE = "sqlite"


@dataclass(frozen=True, slots=True)
class Database:
    server: Callable[[Path], Service | None]
    url: Callable[[Any, Path, str], str]
    """Returns the URL for a server, the run's folder and the database's name."""


def _server(module: str, name: str) -> Callable[[Path], Service]:
    def make(folder: Path) -> Service:
        try:
            # Imported here because these modules need mysqlclient, which may be missing.
            kind = getattr(import_module(module), name)
        except ImportError as error:
            raise StackError(
                f"{name} needs mysqlclient, which is not installed ({error}); "
                "run `make test`, which installs it, or `make test DB=sqlite`."
            ) from error
        server: Service = kind(folder / name.lower(), free_port(), durable=False)
        return server

    return make


DATABASES = {
    "mysql": Database(
        _server("project.stack.sql.mysql", "MySQL"), lambda server, _, name: server.url(name)
    ),
    "mariadb": Database(
        _server("project.stack.sql.mariadb", "MariaDB"), lambda server, _, name: server.url(name)
    ),
    SQLITE: Database(lambda _: None, lambda _, folder, name: f"sqlite:///{folder / name}.sqlite3"),
}
