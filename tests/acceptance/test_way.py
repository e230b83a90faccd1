"""A story's way through a running feed, in a sentence."""

import re
from dataclasses import replace

import pytest
from django.conf import LazySettings

from cdc.consumer.pause import pause
from cdc.read_your_writes import wait_until_applied
from cdc.status.row_trace import way_of
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.acceptance.test_send_to_kafka import replica
from tests.support.commands import wait_until
from tests.support.equality import COLLECTIONS

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def test_each_step_of_the_way_is_named(feed: RunningFeed, settings: LazySettings) -> None:
    settings.CDC = feed.settings
    story = Story.objects.create(title="first", href="http://example.org/")
    assert wait_until_applied(story, 60)
    way = way_of(story)
    assert re.fullmatch(r"Version (\d+) of \1 everywhere, \S+ s after the save\.", way.sentence)
    assert way.settled
    assert way.saved_at is not None
    assert way.partition in range(5)
    assert way.offset == 0
    assert [each.collection for each in way.arrivals] == list(COLLECTIONS)
    assert {each.outbox_id for each in way.arrivals} == {way.outbox_id}
    assert all(each.applied_at for each in way.arrivals)

    pause(feed.settings.group, "", using="default")
    feed.consumer.wait_for("consumer.paused")
    story.title = "second"
    story.save()
    wait_until(lambda: "consumers are paused" in way_of(story).sentence, "the pause's name")
    assert not way_of(story).settled

    feed.relay.kill()
    story.title = "third"
    story.save()
    sentence = way_of(story).sentence
    assert "in the outbox" in sentence
    assert f"the copy has version {way.outbox_id}." in sentence

    replica(feed)[COLLECTIONS[1]].delete_one({"_id": story.pk})
    assert way_of(story).arrivals[1].outbox_id is None


def test_a_silent_mongodb_is_not_waited_for(transactional_db: None, settings: LazySettings) -> None:
    story = Story.objects.create(title="first", href="http://example.org/")
    uri = "mongodb://127.0.0.1:1/?replicaSet=none"
    settings.CDC = replace(settings.CDC, mongodb_uri=uri)
    way = way_of(story)
    assert "waits in the outbox. What the copy holds is not known." in way.sentence
    assert not way.settled
