"""What is wrong with a running pipeline is said by the command, the pages and the metrics alike."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from pymongo import MongoClient
from pymongo.collection import Collection

from cdc.consumer.pause import pause, resume
from cdc.models import OutboxRecord
from cdc.registry import registry
from cdc.status.findings import State
from cdc.status.reader import StatusReader
from cdc.status.verdict import Status
from project.pages import feed_state
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.acceptance.test_dead_letters import poison, publish
from tests.acceptance.test_gaps import bounds, delete_records
from tests.acceptance.test_reconcile import reconcile
from tests.project.metrics.samples import samples_of
from tests.support.commands import manage, wait_until
from tests.support.latest import patient
from tests.support.outbox_ids import truncate
from tests.support.processes import Daemon
from tests.support.static_files import plain_static_files
from users.models import User, UserType

DISCARD = ("dead_letters", "discard", "--waiting", "--why", "a test")

_POLL_SECONDS = 0.5
"""A reading of the status takes much of a core, which the daemons need."""

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


class Watched:
    """A running feed, and everything that shows its state."""

    def __init__(self, feed: RunningFeed, monkeypatch: pytest.MonkeyPatch) -> None:
        self.feed = feed
        self.environment = dict(feed.environment)
        self._patch = monkeypatch
        self._reader = StatusReader(feed.settings, registry)
        self._client = Client()
        role = UserType.TECHNICAL_WORKER
        self._client.force_login(User.objects.create_user("w@people.example", user_type=role))

    def lose(self, service: str) -> None:
        """Read a service under an address at which nothing responds."""
        settings = self.feed.settings
        if service == "Kafka":
            settings = replace(settings, bootstrap_servers="127.0.0.1:9")
        else:
            uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500"
            settings = replace(settings, mongodb_uri=uri)
        self.environment["KAFKA_BOOTSTRAP_SERVERS"] = settings.bootstrap_servers
        self.environment["MONGODB_URI"] = settings.mongodb_uri
        self._reader = StatusReader(settings, registry)

    def wait_for(self, state: State, sentence: str, seconds: float = 120) -> Status:
        """Wait until the pipeline has a state, check that all who show it agree, return it."""
        found = [self._reader.read()]

        def reached() -> bool:
            time.sleep(_POLL_SECONDS)
            found[0] = self._reader.read()
            return found[0].state is state and sentence in found[0].verdict

        wait_until(reached, f"{state}: {sentence} instead of {found[0].verdict}", seconds)
        self._agree(found[0])
        return found[0]

    def _agree(self, status: Status) -> None:
        if not status.healthy:
            command = manage(self.environment, "cdc_status", "--json")
            shown = json.loads(command.stdout.splitlines()[0])
            assert (command.returncode, shown["state"]) == (1, status.state), command.stderr
        self._patch.setattr(feed_state.feed, "latest", patient(lambda: status))
        label = f"<strong>{status.state.label}.</strong>"
        with plain_static_files():
            assert label in self._client.get("/technical_worker/").content.decode()
            part = self._client.get("/operations/verdict/").content.decode()
        assert label in part
        assert ("sf-good" in part) is status.healthy
        found = samples_of(self._client.get("/metrics").content.decode())
        states = {labels for labels, value in found["storyfeed_state"].items() if value}
        assert states == {(("state", status.state.value),)}
        assert found["storyfeed_healthy"] == {(): float(status.healthy)}


@pytest.fixture
def watched(feed: RunningFeed, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Watched:
    settings.CDC = feed.settings
    feed.consumer.wait_for("partition.taken")
    for number in range(5):
        story(f"story {number}")
    feed.wait_until_equal()
    return Watched(feed, monkeypatch)


def story(title: str) -> Story:
    return Story.objects.create(title=title, href="http://example.org/")


@pytest.fixture
def documents(feed: RunningFeed) -> Iterator[Collection[dict[str, object]]]:
    with MongoClient[dict[str, object]](feed.settings.mongodb_uri) as client:
        yield client[feed.settings.mongodb_database][feed.settings.collections[0]]


def test_a_running_pipeline_is_healthy_until_it_is_paused(watched: Watched) -> None:
    watched.wait_for(State.HEALTHY, "In sync: 5 rows everywhere.")
    pause(watched.feed.settings.group, "an index", using="default")

    status = watched.wait_for(State.PAUSED, "(an index)")

    assert status.since is not None
    resume(watched.feed.settings.group, "", using="default")
    watched.wait_for(State.HEALTHY, "In sync")


def test_changes_without_a_relay_are_delayed(watched: Watched) -> None:
    assert watched.feed.relay.stop() == 0
    story("waits")

    status = watched.wait_for(State.DELAYED, "no relay is running: start `manage.py relay_outbox`.")

    assert "1 change in the outbox, the oldest for" in status.verdict
    watched.feed.relay.start()
    watched.wait_for(State.HEALTHY, "In sync: 6 rows everywhere.")


def test_changes_without_a_consumer_are_delayed(watched: Watched) -> None:
    watched.feed.consumer.kill()
    story("waits")
    wait_until(lambda: not OutboxRecord.objects.exists(), "the change is in Kafka")

    watched.wait_for(State.DELAYED, "1 record in Kafka, the oldest for")

    watched.feed.consumer.start()
    watched.wait_for(State.HEALTHY, "In sync: 6 rows everywhere.")


def test_a_relay_that_keeps_failing_names_its_error(watched: Watched, tmp_path: Path) -> None:
    assert watched.feed.relay.stop() == 0
    nowhere = {**watched.feed.environment, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    relay = Daemon(tmp_path / "failing.log", nowhere, "relay_outbox")
    try:
        status = watched.wait_for(State.FAILING, "has failed for")
        (trouble,) = status.troubles or ()
        assert trouble.process.startswith("relay ")
        assert "Kafka" in trouble.error
        story("waits")
        watched.wait_for(State.DELAYED, f": {trouble.process} has failed for")
        assert relay.stop() == 0
    finally:
        relay.kill()
    assert watched.wait_for(State.DELAYED, "no relay is running").troubles == ()


def test_a_consumer_that_keeps_failing_names_its_error(watched: Watched, tmp_path: Path) -> None:
    nowhere = {
        **watched.feed.environment,
        "MONGODB_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500",
    }
    command = ("consume_and_save_to_mongodb", "--instance", "failing")
    consumer = Daemon(tmp_path / "failing.log", nowhere, *command)
    try:
        watched.wait_for(State.FAILING, "Consumer failing has failed for")
        consumer.kill()
        watched.wait_for(State.HEALTHY, "In sync")
    finally:
        consumer.kill()


def test_a_dead_letter_is_shown_until_it_is_decided(watched: Watched) -> None:
    publish(watched.feed, poison(watched.feed, 9))

    status = watched.wait_for(State.DEAD_LETTERS, "1 dead letter needs a decision")

    assert status.since is not None
    assert manage(watched.feed.environment, *DISCARD).returncode == 0
    watched.wait_for(State.HEALTHY, "In sync")


def test_missing_documents_are_found_although_a_change_waits(
    watched: Watched, documents: Collection[dict[str, object]]
) -> None:
    assert watched.feed.relay.stop() == 0
    story("waits")
    documents.delete_many({})

    watched.wait_for(State.DELAYED, "Also: out of sync.")
    watched.feed.relay.start()
    watched.wait_for(State.OUT_OF_SYNC, "has 6 rows, its collections have 1 or 6 documents")

    assert reconcile(watched.feed)[0] == 1
    status = watched.wait_for(State.OUT_OF_SYNC, "has 6 rows")
    assert status.reconcile is not None
    assert not status.reconcile.equal
    assert reconcile(watched.feed, "--repair")[0] == 0
    watched.wait_for(State.HEALTHY, "In sync: 6 rows everywhere.")


def test_a_changed_document_is_out_of_sync_once_a_reconciliation_has_found_it(
    watched: Watched, documents: Collection[dict[str, object]]
) -> None:
    documents.update_one({}, {"$set": {"title": "edited"}})
    assert reconcile(watched.feed)[0] == 1

    status = watched.wait_for(State.OUT_OF_SYNC, "Out of sync at the last reconciliation:")

    assert status.reconcile is not None
    assert status.since == status.reconcile.finished_at
    assert reconcile(watched.feed, "--repair")[0] == 0
    watched.wait_for(State.HEALTHY, "In sync")


def test_superfluous_documents_are_out_of_sync(
    watched: Watched, documents: Collection[dict[str, object]]
) -> None:
    documents.insert_many({"_id": key} for key in (901, 902))
    watched.wait_for(State.OUT_OF_SYNC, "has 5 rows, its collections have 5 or 7 documents.")


def test_a_gap_is_shown_with_its_beginning(watched: Watched) -> None:
    watched.feed.consumer.stop()
    Story.objects.update(title="changed")
    wait_until(lambda: not OutboxRecord.objects.exists(), "the changes are in Kafka")
    delete_records(watched.feed.settings, bounds(watched.feed.settings))
    watched.wait_for(State.RECORDS_LOST, "A gap in partition")

    watched.feed.consumer.start()
    wait_until(lambda: bool(watched.wait_for(State.RECORDS_LOST, "A gap").gaps), "a stored gap")

    assert watched.wait_for(State.RECORDS_LOST, "A gap").since is not None
    assert reconcile(watched.feed, "--repair")[0] == 0
    watched.wait_for(State.HEALTHY, "In sync: 5 rows everywhere.")


def test_reused_outbox_ids_are_not_verified_until_the_repair(watched: Watched) -> None:
    truncate()
    story("reuses an id")
    status = watched.wait_for(State.NOT_VERIFIED, "The database reused outbox ids")
    assert "waits for `manage.py run_jobs`" in status.verdict


@pytest.mark.parametrize("service", ["MongoDB", "Kafka"])
def test_an_unreachable_service_is_named(watched: Watched, service: str) -> None:
    watched.lose(service)

    status = watched.wait_for(State.UNREACHABLE, f"{service} is not responding.")

    assert status.unreachable == (service,)
