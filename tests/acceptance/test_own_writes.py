"""A caller that waits for its own write then finds the write in the replica."""

from dataclasses import replace

import pytest
from django.conf import LazySettings
from django.db import transaction

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured, Refused
from cdc.read_your_writes import wait_until_applied
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.acceptance.test_send_to_kafka import replica
from tests.support.equality import COLLECTIONS
from tests.support.feed_settings import LONG_SESSION
from users.models import User

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def feed_settings(feed_settings: CdcSettings) -> CdcSettings:
    """Keep the consumer in its group: nothing can restart it while the test's process waits."""
    return replace(feed_settings, kafka_config=LONG_SESSION)


@pytest.fixture
def here(feed: RunningFeed, settings: LazySettings) -> RunningFeed:
    settings.CDC = feed.settings
    feed.consumer.wait_for("partition.taken")
    return feed


def titles(feed: RunningFeed, key: int) -> list[str | None]:
    found = [replica(feed)[name].find_one({"_id": key}) for name in COLLECTIONS]
    return [document and document["title"] for document in found]


def test_saves_and_deletes_are_applied_when_it_returns(here: RunningFeed) -> None:
    story = Story.objects.create(title="first", href="http://example.org/")
    key = story.pk
    assert wait_until_applied(story, 60)
    assert titles(here, key) == ["first"] * 3

    for number in range(5):
        story.title = f"edit {number}"
        story.save()
        assert wait_until_applied(story, 60)
        assert titles(here, key) == [f"edit {number}"] * 3

    story.delete()
    assert wait_until_applied(story, 60)
    assert titles(here, key) == [None] * 3

    many = Story.objects.bulk_create(
        [Story(title=f"many {number}", href="http://example.org/") for number in range(3)]
    )
    for each in many:
        assert wait_until_applied(each, 60)
        assert titles(here, each.pk) == [each.title] * 3


def test_an_instance_that_was_only_read_is_compared_by_content(here: RunningFeed) -> None:
    Story.objects.create(title="first", href="http://example.org/")
    Story.objects.update(title="second")
    story = Story.objects.get()

    assert wait_until_applied(story, 60)
    assert titles(here, story.pk) == ["second"] * 3


def test_it_times_out_and_refuses_wrong_use(here: RunningFeed) -> None:
    here.consumer.kill()
    story = Story.objects.create(title="first", href="http://example.org/")

    assert not wait_until_applied(story, 0.2)
    with transaction.atomic(), pytest.raises(Refused, match="inside a transaction"):
        wait_until_applied(story, 1)
    with pytest.raises(Misconfigured, match="User is not captured"):
        wait_until_applied(User(), 1)
