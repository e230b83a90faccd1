"""A password is changed on its server while the site runs: it is reported, and nothing is lost.

The tests run in this order on one site, because its servers and processes are slow to start.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db.models import Q
from pytest_django.plugin import DjangoDbBlocker

from cdc.conf import CdcSettings
from cdc.jobs.kinds import RECONCILE
from cdc.jobs.table import Jobs
from cdc.models import DaemonError, Job, JobState
from tests.faults.conftest import captured_into, isolated_settings
from tests.faults.crew import wait_until
from tests.faults.databases import isolated_database
from tests.faults.passwords.servers import NAMES, Servers
from tests.faults.passwords.site import Site
from tests.faults.traffic import Traffic
from tests.support.equality import wait_until_equal
from tests.support.web import session_of
from users.models import User

# SQLite has no passwords.
pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.row_locks]

REFUSALS = {
    "database": "refuses the login (Access denied",
    "kafka": "Kafka refuses the login (",
    "mongodb": "MongoDB refuses the login (Authentication failed)",
}
REMEDIES = {
    "database": "correct the user and the password in DATABASE_URL",
    "kafka": "correct the sasl.* settings in KAFKA_CONFIG",
    "mongodb": "correct the user, the password and authSource in MONGODB_URI",
}
AFFECTED = {
    "database": ("relay", "consumer", "jobs", "web"),
    "kafka": ("relay", "consumer", "web"),
    "mongodb": ("consumer", "jobs"),
}
"""The processes that say in their logs what is refused."""
REPORTED = {"database": (), "kafka": ("relay", "consumer"), "mongodb": ("consumer", "jobs")}
"""The processes whose last error is stored in the database."""
JOBS = Jobs("default")
MOST_LOOPS = 2
"""A relay has a loop that publishes, and a loop that deletes published rows."""


@dataclass(frozen=True, slots=True)
class World:
    """A site, and its servers."""

    servers: Servers
    settings: CdcSettings
    site: Site
    cookie: str
    """The session of a superuser."""


@pytest.fixture(scope="module")
def world(django_db_blocker: DjangoDbBlocker, folder: Path) -> Iterator[World]:
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        servers = Servers(folder)
        stack.enter_context(servers.running())
        settings = isolated_settings(servers.kafka.address, servers.mongod.uri_of("admin"))
        stack.enter_context(captured_into(settings.topic))
        server, _, _ = servers.sql.url("").rpartition("/")
        stack.enter_context(isolated_database(settings.group, folder, server))
        servers.create_sql_user()
        site = stack.enter_context(Site(settings, folder, servers.environment(settings.group)))
        site.wait_until_ready()
        person = User.objects.create_superuser(email="root@x.example", password="x" * 14)
        cookie = session_of(person)
        assert site.shown("/operations/", cookie)[0] == 200
        yield World(servers, settings, site, cookie)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_password_is_named_and_nothing_is_lost(world: World, name: str) -> None:
    site = world.site
    with Traffic(writers=1, pause=0.05) as traffic:
        wait_until(lambda: traffic.written > 5, "the writer has started")
        ends, began = site.log_ends(), time.monotonic()
        world.servers.rotate(name)
        JOBS.ask(RECONCILE, {}, "all", "")
        check_logs(world, name, ends)
        check_pages(world, name)
        check_attempts(world, name, ends, time.monotonic() - began)
        world.servers.correct(name)
        site.restart()
    consumer = site.daemons["consumer"]
    replica = (world.settings.mongodb_uri, world.settings.mongodb_database)
    wait_until_equal(*replica, meanwhile=consumer.tend)
    undone = Job.objects.exclude(state=JobState.DONE)
    wait_until(lambda: not undone.exists(), "the job is done", meanwhile=consumer.tend)
    assert secrets_in(world) == []


def check_logs(world: World, name: str, ends: dict[str, int]) -> None:
    def silent() -> set[str]:
        if "web" in AFFECTED[name]:
            world.site.shown("/operations/", world.cookie)
        return set(AFFECTED[name]) - {
            process for process, log in world.site.logs_since(ends).items() if names(log, name)
        }

    try:
        wait_until(lambda: not silent(), "all affected processes name the refused login")
    except AssertionError as error:
        error.add_note(f"silent: {silent()}\n{world.site.logs_since(ends)}")
        raise


def names(text: str, server: str) -> bool:
    """Return whether a text has the refusal and the remedy in one line."""
    return any(REFUSALS[server] in line and REMEDIES[server] in line for line in text.splitlines())


def check_pages(world: World, name: str) -> None:
    """Verify what operators see. Without its database, the site shows only an error page."""
    if name == "database":
        status, page = world.site.shown("/operations/", world.cookie)
        assert (status, "The database is not responding." in page) == (503, True), page
    else:
        for process in REPORTED[name]:
            known = Q(process__startswith=f"{process} ") & Q(error__contains=REFUSALS[name])
            wait_until(DaemonError.objects.filter(known).exists, f"the error of the {process}")
        wait_until(
            lambda: names(world.site.shown("/operations/", world.cookie)[1], name),
            "the Pipeline page names the refused login",
        )
    wait_until(lambda: names(world.site.status(), name), "`cdc_status` names the refused login")


def check_attempts(world: World, name: str, ends: dict[str, int], seconds: float) -> None:
    """Verify that no daemon tries again without a pause: the later pauses take at least 0.5 s."""
    for process, log in world.site.logs_since(ends).items():
        refused = sum(REFUSALS[name] in line for line in log.splitlines())
        assert process == "web" or refused <= MOST_LOOPS * (6 + 2 * seconds), log


def secrets_in(world: World) -> list[str]:
    """Return the names of the texts that contain a password."""
    texts = {
        **world.site.logs(),
        "command lines": world.site.command_lines(),
        **{f"page {number}": page for number, page in enumerate(world.site.pages)},
        "errors": "\n".join(DaemonError.objects.values_list("error", flat=True)),
    }
    return [
        name for name, text in texts.items() if any(each in text for each in world.servers.used)
    ]
