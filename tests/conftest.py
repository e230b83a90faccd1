"""Fixtures for all tests: the servers that `make test` starts, and settings with unique names."""

import gc
import os
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from cdc.conf import CdcSettings
from cdc.mongo import client
from cdc.mongo.apply import owned_positions
from tests.acceptance.conftest import environment
from tests.support import chromium, processes
from tests.support.empty_tables import empty_tables
from tests.support.feed_settings import without_servers
from tests.support.nginx import Nginx, behind_nginx
from tests.support.web import Topic

_LOG_LINES = 40
HAS_MYSQL_CLIENT = find_spec("MySQLdb") is not None
# `make test DB=sqlite` and `make check` do not install mysqlclient, which needs a compiler.
NEED_MYSQL_CLIENT = (
    "cdc/runtime/test_database.py",
    "faults/passwords/test_rotation.py",
    *(f"faults/test_{name}.py" for name in ("backups", "failover")),
    *(f"project/stack/sql/test_{name}.py" for name in ("mariadb", "mysql", "server")),
)
collect_ignore = [] if HAS_MYSQL_CLIENT else list(NEED_MYSQL_CLIENT)

# On a busy machine, examples and their generation are slow. No test may fail because of that.
hypothesis_settings.register_profile(
    "no time limits", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("no time limits")
owned_positions._TAKE_OVER_MS = 60_000  # A consumer tries again, but most tests call it once.

if not settings.ENVIRONMENT.secret_key:
    settings.SECRET_KEY = "for tests only"


def pytest_report_header() -> list[str]:
    """Return lines that name the tests left out because a program or package is missing."""
    lines = []
    if not HAS_MYSQL_CLIENT:
        lines.append(f"left out because mysqlclient is not installed: {', '.join(collect_ignore)}")
    if _skips_browser():
        lines.append("left out because Chromium is not installed: tests/browser")
    return lines


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On SQLite, deselect the tests that need row locks, and browser tests without a browser."""
    if not _is_sqlite():
        return
    names = ["row_locks", *(["browser"] if _skips_browser() else [])]
    left_out = [item for item in items if any(map(item.get_closest_marker, names))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if Kafka has removed more consumers than a busy machine explains."""
    if len(processes.removals) > processes.MOST_REMOVALS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the logs of the consumers that Kafka has removed and the tests have restarted."""
    if processes.removals:
        limit = f"at most {processes.MOST_REMOVALS} are tolerated"
        terminalreporter.section(f"{len(processes.removals)} removed consumers, {limit}")
    for log in processes.removals:
        terminalreporter.write_line("\n".join(log.splitlines()[-_LOG_LINES:]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Append the last log lines of a failed test's processes to its report."""
    outcome: Any = yield
    report, folder = outcome.get_result(), getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(folder.rglob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            report.sections.append((log.name, "\n".join(lines)))


def _is_sqlite() -> bool:
    return "sqlite" in settings.DATABASES["default"]["ENGINE"]


def _skips_browser() -> bool:
    # With other databases, `make test` installs Chromium.
    return _is_sqlite() and chromium.program() is None


def _address(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.fail(
            f"{name} is not set: use `make test`, which starts the servers, "
            "or set it to a server that tests may write to."
        )
    return value


@pytest.fixture(autouse=True, scope="session")
def no_examination() -> Iterator[None]:
    """Prevent pages from examining the test's servers in the background."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("project.pages.feed_state.deployment._read", list)
        yield


@pytest.fixture(autouse=True, scope="session")
def emptied() -> Iterator[None]:
    """Replace the flush at the end of each test with a faster one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield


@pytest.fixture
def unexpiring_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start with an empty cache that keeps its entries, for tests that count queries.

    Otherwise, an entry of an earlier test can expire between two requests.
    """
    cache.clear()
    monkeypatch.setattr(BaseCache, "get_backend_timeout", lambda *_: None)
    yield
    cache.clear()


@pytest.fixture(scope="session")
def bootstrap_servers() -> str:
    return _address("KAFKA_BOOTSTRAP_SERVERS")


@pytest.fixture(scope="session")
def mongodb_uri() -> str:
    return _address("MONGODB_URI")


@pytest.fixture
def found_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give MongoDB clients of this process a minute to find their server, instead of a second."""
    options = {**client._OPTIONS, "serverSelectionTimeoutMS": 60_000}
    monkeypatch.setattr(client, "_OPTIONS", options)


@pytest.fixture
def feed_settings(
    bootstrap_servers: str, mongodb_uri: str, found_server: None, patience: None
) -> CdcSettings:
    """Settings with a unique topic, consumer group and MongoDB database."""
    name = uuid.uuid4().hex[:12]
    return without_servers(
        bootstrap_servers=bootstrap_servers,
        mongodb_uri=mongodb_uri,
        topic=f"test-{name}",
        group=f"test-{name}",
        mongodb_database=f"test_{name}",
        # MongoDB's TTL monitor must not remove old events while a test runs.
        history_days=20_000,
    )


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a slow broker a minute for each answer to this process.

    `cdc.kafka.unassigned` keeps its limit, after which it asks again.
    """
    monkeypatch.setattr("cdc.kafka.certificate._SECONDS", 60.0)
    monkeypatch.setattr("cdc.kafka.tail._SECONDS", 60.0)
    for name in ("refusals", "topics", "cluster", "last_published", "watermarks"):
        monkeypatch.setattr(f"cdc.kafka.{name}.REQUEST_SECONDS", 60.0)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Store SQLite's test database in a file.

    Threads that share an in-memory database get errors that do not occur in production.
    """
    if connection.vendor == "sqlite":
        file = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(file)


@pytest.fixture
def topic(feed_settings: CdcSettings) -> Iterator[Topic]:
    """Yield the topic of `feed_settings`."""
    topic = Topic(feed_settings)
    yield topic
    topic.close()


@pytest.fixture
def proxy(
    transactional_db: None, topic: Topic, feed_settings: CdcSettings, tmp_path: Path
) -> Iterator[Nginx]:
    """Yield nginx in front of a web process with production settings."""
    with behind_nginx(environment(feed_settings, tmp_path), tmp_path) as proxy:
        yield proxy


def pytest_collection_finish() -> None:
    """Exclude existing objects from garbage collection, which saves a sixth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
