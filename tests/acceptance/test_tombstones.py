"""A tombstone deletes the story even if it is the only record left in the topic."""

import pytest
from django.db import connection

from cdc.consumer.source_rows import source_epoch
from cdc.kafka.publisher import KafkaPublisher
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.support.builders import change, tombstone

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def test_a_story_whose_delete_was_compacted_away_is_deleted(feed: RunningFeed) -> None:
    stories = [Story.objects.create(title=f"{n}", href="http://a.example/") for n in range(2)]
    feed.wait_until_equal()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM stories_story WHERE id = %s", [stories[0].pk])

    delete = change("d", stories[0].pk, 10**6, epoch=source_epoch(using="default"))
    publisher = KafkaPublisher(feed.settings)
    publisher.publish([tombstone(delete, feed.settings.topic)], lambda: True)
    publisher.close()

    feed.wait_until_equal()
