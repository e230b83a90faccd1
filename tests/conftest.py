"""What all tests share: the servers that `make test` started, and names of their own in them."""

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from cdc.conf import CdcSettings

_LOG_LINES = 40
HAS_MYSQL_CLIENT = find_spec("MySQLdb") is not None
# `make test DB=sqlite` and `make check` do without the client, which needs a compiler.
collect_ignore = (
    []
    if HAS_MYSQL_CLIENT
    else [f"project/stack/sql/test_{name}.py" for name in ("mysql", "mariadb", "server")]
)

if not settings.ENVIRONMENT.secret_key:
    settings.SECRET_KEY = "for tests only"


def pytest_report_header() -> list[str]:
    """Say what is left out before anything runs."""
    said = []
    if not HAS_MYSQL_CLIENT:
        said.append(f"left out, because mysqlclient is not installed: {', '.join(collect_ignore)}")
    if _does_without_browser():
        said.append("left out, because Chromium is not installed: tests/browser")
    return said


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what the database in use has no notion of."""
    if not _is_sqlite():
        return
    names = ["row_locks", *(["browser"] if _does_without_browser() else [])]
    left_out = [item for item in items if any(map(item.get_closest_marker, names))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the end of what its processes logged beside a test that failed."""
    outcome: Any = yield
    report, folder = outcome.get_result(), getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(folder.rglob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            report.sections.append((log.name, "\n".join(lines)))


def _is_sqlite() -> bool:
    return "sqlite" in settings.DATABASES["default"]["ENGINE"]


def _does_without_browser() -> bool:
    """Whether this is the part that needs no root; `make test` installs Chromium for the rest."""
    return _is_sqlite() and shutil.which("chromium") is None


def _address(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.fail(
            f"{name} is not set: run this test by `make test`, which starts the servers, "
            "or name a server that tests may write to."
        )
    return value


@pytest.fixture(scope="session")
def bootstrap_servers() -> str:
    """Where the tests' Kafka listens."""
    return _address("KAFKA_BOOTSTRAP_SERVERS")


@pytest.fixture(scope="session")
def mongodb_uri() -> str:
    """Where the tests' mongod listens."""
    return _address("MONGODB_URI")


@pytest.fixture
def feed_settings(bootstrap_servers: str, mongodb_uri: str) -> CdcSettings:
    """A topic, a group and a MongoDB database that no other test has."""
    name = uuid.uuid4().hex[:12]
    return replace(
        settings.CDC,
        bootstrap_servers=bootstrap_servers,
        mongodb_uri=mongodb_uri,
        topic=f"test-{name}",
        group=f"test-{name}",
        mongodb_database=f"test_{name}",
    )


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the test database in a file where it is SQLite's.

    Threads that share one in memory get errors that no deployment has.
    """
    if connection.vendor == "sqlite":
        file = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(file)
