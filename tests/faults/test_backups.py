"""The steps of docs/backup.md: under traffic, stores are replaced with older backups."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pytest_django.plugin import DjangoDbBlocker

from cdc.models import Job, JobState
from cdc.outbox import table as outbox
from cdc.status.findings import State
from stories.models import Story
from tests.acceptance.conftest import wait_until_published
from tests.acceptance.test_gaps import bounds, delete_records
from tests.faults.backups.copies import MongoCopy, SqlDump, replace_data
from tests.faults.backups.site import Site, other_group
from tests.faults.conftest import captured_into, isolated_settings
from tests.faults.crew import COSTLY_SECONDS, Member, daemon_environment, wait_until
from tests.faults.databases import isolated_database
from tests.support.equality import COLLECTIONS, replica_content, table_content
from tests.support.mongodb import OwnMongod, running

# A backup of SQLite is a copy of a file: see tests/acceptance/test_ids_reused.py.
pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.row_locks]
_KEYS = count(10_000, 1000)
"""Keys that no test assigns otherwise: the database continues after the highest key."""


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMongod]:
    with running(OwnMongod(tmp_path_factory.mktemp("mongod"))) as server:
        assert isinstance(server, OwnMongod)
        yield server


@pytest.fixture(scope="module")
def site(
    django_db_blocker: DjangoDbBlocker,
    bootstrap_servers: str,
    mongod: OwnMongod,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    settings = isolated_settings(bootstrap_servers, mongod.uri)
    with ExitStack() as stack:
        stack.enter_context(captured_into(settings.topic))
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(isolated_database(settings.group, folder))
        site = Site(settings, folder)
        stack.callback(site.kill)
        site.crew.wait_until_ready()
        stack.enter_context(site.watcher)
        stack.enter_context(site.traffic)
        yield site


def epoch() -> int:
    return outbox.current_epoch(using="default") or 0


def restore(site: Site, dump: SqlDump) -> None:
    """Restore the database in the documented steps."""
    with site.traffic.paused():
        site.stop(*site.daemons)
        dump.restore()
        site.run("new_epoch", "--force")
        site.wait_for(State.NOT_VERIFIED, "began a new epoch on")
        site.start(*site.daemons)


def replace_mongodb(site: Site, mongod: OwnMongod, copy: MongoCopy | None) -> None:
    """Replace the data of MongoDB while the consumers are stopped."""
    site.stop(site.consumer)
    with site.replacing_mongodb():
        replace_data(mongod, None) if copy is None else copy.restore(mongod)


def create_and_publish(site: Site, title: str) -> Story:
    """Create a story that the writers do not touch. No outbox row of it remains in a dump."""
    story = Story.objects.create(pk=next(_KEYS), title=title, href="http://a.example/")
    site.crew.wait_until_equal()
    wait_until_published()
    return story


def change_and_apply(site: Site, story: Story) -> None:
    """Make a change that only a repair can undo, because the writers do not touch this story."""
    story.title = "lost"
    story.save()
    with site.traffic.paused():
        site.crew.wait_until_equal()


@pytest.mark.database
def test_the_database_is_restored_to_an_earlier_moment(site: Site) -> None:
    with site.traffic.paused():
        story = create_and_publish(site, "kept")
    before, dump = epoch(), SqlDump(lambda: site.write(20))
    change_and_apply(site, story)
    site.write()

    restore(site, dump)
    site.write()
    site.end()

    assert epoch() > before
    assert "no differences remain" in Job.objects.latest("id").result


def test_the_repair_waits_for_the_lost_changes_that_kafka_still_contains(site: Site) -> None:
    """The consumer applies a lost change after the repair has begun."""
    with site.traffic.paused():
        story = create_and_publish(site, "kept")
        dump = SqlDump()
        site.stop(site.consumer)
        story.title = "lost"
        story.save()
        wait_until_published()
        site.stop(site.relay, site.jobs)
        dump.restore()
        site.run("new_epoch", "--force")
        site.start(site.relay, site.jobs)
        wait_until(lambda: Job.objects.latest("id").state != JobState.WAITING, "the repair begins")
        time.sleep(3)
        assert Job.objects.latest("id").state == JobState.RUNNING
        site.wait_for(State.NOT_VERIFIED, "is repairing the replica")
        site.start(site.consumer)
        site.crew.wait_until_equal()
    site.end()
    assert "1 key repaired: no differences remain" in Job.objects.latest("id").result


def test_a_dump_may_contain_higher_ids_than_its_rows_need(site: Site) -> None:
    """The relay cannot detect this, because no id is reused. Therefore a repair always follows."""
    with site.traffic.paused():
        site.stop(site.jobs)  # The id of a canary that is sent after the dump would be reused.
        site.crew.wait_until_equal()
        wait_until_published()
        before = epoch()
        dump = SqlDump(lambda: Story.objects.create(title="lost", href="http://a.example/"))
        site.crew.wait_until_equal()
        site.stop(site.relay, site.consumer)
        dump.restore()
        site.start(site.relay, site.consumer)
        site.relay.wait_for("relay.started")
        site.wait_for(State.OUT_OF_SYNC, "Out of sync: stories_story has")
        assert epoch() == before
        site.stop(site.relay, site.consumer)
        site.run("new_epoch", "--force")
        site.start(*site.daemons)
    site.end()


def test_mongodb_is_restored_to_an_earlier_moment(
    site: Site, mongod: OwnMongod, tmp_path: Path
) -> None:
    site.write()
    copy = MongoCopy(mongod, tmp_path / "copy")
    site.write()

    replace_mongodb(site, mongod, copy)
    site.wait_for(State.DELAYED, "and no consumer is running")
    site.start(site.consumer)
    site.write()
    site.end()


@pytest.mark.parametrize("older", ["database", "mongodb"])
def test_both_are_restored_to_different_moments(
    site: Site, mongod: OwnMongod, tmp_path: Path, older: str
) -> None:
    dump = SqlDump()
    if older == "database":
        site.write()
    copy = MongoCopy(mongod, tmp_path / "copy")
    if older == "mongodb":
        site.write()
        dump = SqlDump()
    site.write()

    with site.traffic.paused():
        site.stop(*site.daemons)
        dump.restore()
        with site.replacing_mongodb():
            copy.restore(mongod)
        site.run("new_epoch", "--force")
        site.wait_for(State.NOT_VERIFIED, "began a new epoch on")
        site.start(*site.daemons)
    site.write()
    site.end()


def test_an_empty_mongodb_is_filled_from_the_topic(site: Site, mongod: OwnMongod) -> None:
    site.run("send_to_kafka")  # Another test may have deleted records.
    replace_mongodb(site, mongod, None)
    site.wait_for(State.DELAYED, "and no consumer is running")
    site.start(site.consumer)
    site.write()
    site.end()


def test_dropped_collections_are_filled_by_a_repair(site: Site) -> None:
    """A rewind is not enough, because their delete markers remain."""
    with site.traffic.paused():
        Story.objects.create(title="never changed again", href="http://a.example/")
        site.crew.wait_until_equal()
        site.stop(site.consumer)
        client = MongoClient[dict[str, Any]](site.settings.mongodb_uri)
        with site.replacing_mongodb(), client:
            for name in COLLECTIONS:
                client[site.settings.mongodb_database].drop_collection(name)
        site.run("rewind", "--to-earliest")
        site.start(site.consumer)
        wait_until(
            lambda: site.status().waiting == 0,
            "the consumer has caught up",
            every=COSTLY_SECONDS,
            meanwhile=site.consumer.tend,
        )
        site.wait_for(State.OUT_OF_SYNC, "Out of sync: stories_story has")
    site.run("reconcile", "--repair", "--restart")
    site.write()
    site.end()


def test_another_deployment_is_another_group(
    site: Site, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its consumer is stopped while the database is restored and repaired."""
    with running(OwnMongod(tmp_path)) as server:
        settings = other_group(site.settings, server.uri)
        environment = daemon_environment(settings, tmp_path)
        command = ("consume_and_save_to_mongodb", "--instance", "other")
        other = Member("other", tmp_path, environment, *command).daemon
        request.addfinalizer(lambda: other.kill() if other.alive() else None)
        other.wait_for("partition.taken")
        site.run("send_to_kafka")  # Another test may have deleted records.
        dump = SqlDump()
        site.write()
        site.stop(other)
        restore(site, dump)
        site.end()
        other.start()
        site.write()
        with site.traffic.paused():
            site.crew.wait_until_equal()
            wait_until(
                lambda: filled(server.uri, site),
                "the other deployment is equal",
                every=COSTLY_SECONDS,
                meanwhile=other.tend,
            )
            site.healthy_group(settings, other)
            site.run("reconcile", consumer=other, **environment)
        site.stop(other)


def filled(uri: str, site: Site) -> bool:
    found = replica_content(uri, site.settings.mongodb_database)
    return all(content == table_content() for content in found)


def test_kafka_has_deleted_what_a_restored_mongodb_lacks(
    site: Site, mongod: OwnMongod, tmp_path: Path
) -> None:
    copy = MongoCopy(mongod, tmp_path / "copy")
    site.write()

    replace_mongodb(site, mongod, copy)
    delete_published(site)
    site.start(site.consumer)
    site.consumer.wait_for("partition.gap")
    # A repair closes only the gaps that were found before it.
    wait_until(
        lambda: not any(each.lost for each in site.status().lags or ()),
        "all gaps are stored",
        every=COSTLY_SECONDS,
        meanwhile=site.consumer.tend,
    )
    site.wait_for(State.RECORDS_LOST, "A gap in partition")
    site.run("reconcile", "--repair", "--restart")
    site.write()
    site.end()


def test_an_empty_mongodb_is_filled_by_a_snapshot(site: Site, mongod: OwnMongod) -> None:
    """The topic does not contain all rows."""
    with site.traffic.paused():
        Story.objects.create(pk=1000, title="seldom changed", href="http://a.example/")
        site.crew.wait_until_equal()
        delete_published(site)
    replace_mongodb(site, mongod, None)
    site.start(site.consumer)
    with site.traffic.paused():
        site.wait_for(State.OUT_OF_SYNC, "Out of sync: stories_story has")
    site.run("send_to_kafka")
    site.write()
    site.end()


def delete_published(site: Site) -> None:
    """Delete all records of the topic, as Kafka's retention would."""
    with site.traffic.paused():
        wait_until_published()
        delete_records(site.settings, bounds(site.settings))
