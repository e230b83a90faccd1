"""A column is added and removed while processes with the old and the new code run side by side."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cdc.runtime.telemetry import CONSUMER_STARTED, RELAY_STARTED
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.acceptance.test_send_to_kafka import replica
from tests.support.commands import Done, manage_patiently
from tests.support.equality import COLLECTIONS, table_content
from tests.support.next_version import NEWEST, write_next_version
from tests.support.paths import ROOT
from tests.support.processes import Daemon

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

CREATE = """\
from stories.models import Story
Story.objects.create(title="new code", href="http://example.org/", language="de")
story = Story.objects.get(title="first")
story.language = "fr"
story.save()
"""


class Version:
    """A version of the code, and the environment of its processes."""

    def __init__(self, feed: RunningFeed, root: Path) -> None:
        self._feed, self.root = feed, root

    def run(self, *arguments: str) -> Done:
        feed = self._feed
        result = manage_patiently(feed.environment, *arguments, root=self.root, meanwhile=feed.tend)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    def restart(self, daemon: Daemon, started: str) -> None:
        """Stop the process, and start it again with this version of the code."""
        assert daemon.stop() == 0, daemon.log
        daemon.root = self.root
        daemon.start()
        daemon.wait_for(started)

    def repair(self) -> dict[str, Any]:
        """Repair the replica, and return the healthy status that follows."""
        self.run("reconcile", "--repair")
        return self._feed.healthy_status(self.root)


def has_document(feed: RunningFeed, **fields: str) -> bool:
    found = replica(feed)
    return all(found[name].find_one(fields) for name in COLLECTIONS)


@pytest.fixture
def old(feed: RunningFeed) -> Version:
    return Version(feed, ROOT)


@pytest.fixture
def new(feed: RunningFeed, tmp_path: Path) -> Iterator[Version]:
    """Yield the code with one more column of stories, which no migration has added yet."""
    version = Version(feed, tmp_path / "new")
    write_next_version(version.root, version.run)
    yield version
    version.run("migrate", "stories", NEWEST)


def test_a_column_is_added_and_removed_in_the_documented_order(
    feed: RunningFeed, old: Version, new: Version
) -> None:
    story = Story.objects.create(title="first", href="http://example.org/")
    feed.wait_until_equal()

    # Add the column. This process has the old code and writes until the end.
    new.restart(feed.consumer, CONSUMER_STARTED)
    new.run("migrate", "stories")
    Story.objects.create(title="old code", href="http://example.org/")
    feed.wait_until(
        partial(has_document, feed, title="old code", language="en"), "the new document"
    )
    new.run("shell", "--command", CREATE)
    story.refresh_from_db()
    story.diggs = 7
    story.save()
    new.restart(feed.relay, RELAY_STARTED)
    found = new.repair()
    feed.wait_until_equal()
    languages = {row["title"]: row["language"] for row in table_content().values()}
    assert languages == {"first": "fr", "old code": "en", "new code": "de"}
    assert found["columns"] == []

    # Remove the column. The code without the column is deployed.
    Story.objects.create(title="fourth", href="http://example.org/")
    old.restart(feed.relay, RELAY_STARTED)
    feed.wait_until_equal()
    new.run("migrate", "stories", NEWEST)
    Story.objects.filter(title="old code").update(diggs=8)
    old.restart(feed.consumer, CONSUMER_STARTED)
    found = old.repair()
    feed.wait_until_equal()
    assert len(table_content()) == 4
    assert found["columns"] == []
