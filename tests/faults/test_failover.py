"""Under traffic, the database fails over to a replica that lacks the last commits."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from cdc.models import OperatorAction
from cdc.status.findings import State
from tests.faults.backups.replication import Pair, replicated
from tests.faults.backups.site import Site
from tests.faults.conftest import captured_into, isolated_settings
from tests.faults.databases import isolated_database, server_kind

pytestmark = [
    *(pytest.mark.services, pytest.mark.faults, pytest.mark.row_locks),
    pytest.mark.database,
]


@pytest.fixture
def pair(django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[Pair]:
    with django_db_blocker.unblock():
        kind = server_kind()
    with replicated(kind, tmp_path) as pair:
        yield pair


@pytest.fixture
def site(
    django_db_blocker: DjangoDbBlocker,
    bootstrap_servers: str,
    mongodb_uri: str,
    pair: Pair,
    tmp_path: Path,
) -> Iterator[Site]:
    settings = isolated_settings(bootstrap_servers, mongodb_uri)
    with ExitStack() as stack:
        stack.enter_context(captured_into(settings.topic))
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(isolated_database(settings.group, tmp_path, pair.url))
        connection.close()
        pair.replicate()
        site = Site(settings, tmp_path)
        stack.callback(site.kill)
        site.crew.wait_until_ready()
        stack.enter_context(site.watcher)
        stack.enter_context(site.traffic)
        yield site


def test_a_failover_that_loses_commits_needs_no_intervention(site: Site, pair: Pair) -> None:
    site.write()
    site.stop(site.jobs)  # Otherwise, the repair may end before the status is read.
    pair.cut()
    site.write()
    with site.traffic.paused():
        site.crew.wait_until_equal()  # The lost changes are in MongoDB.

    pair.fail_over()
    site.write()
    site.wait_for(State.NOT_VERIFIED, "so the relay began a new epoch on")
    site.start(site.jobs)
    site.end()

    assert OperatorAction.objects.filter(who="relay", what="new_epoch").count() == 1
