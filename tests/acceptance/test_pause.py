"""A running consumer can be paused and resumed. The pause survives a restart."""

import pytest

from cdc.consumer.pause import pause, resume
from cdc.registry import registry
from cdc.status.reader import StatusReader
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published
from tests.support.commands import wait_until

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_paused_consumer_stays_in_its_group(feed: RunningFeed) -> None:
    Story.objects.create(title="before", href="http://example.org/")
    feed.wait_until_equal()
    reader = StatusReader(feed.settings, registry)

    pause(feed.settings.group, "an index is built", using="default")
    feed.consumer.wait_for("consumer.paused")
    Story.objects.create(title="meanwhile", href="http://example.org/")
    wait_until(lambda: _records(reader) > 0, "a queued record")
    wait_until_published()
    status = reader.read()

    assert status.consumers == 1
    assert not status.healthy
    assert "1 change queued: resume the consumers on the Pipeline page." in status.verdict
    assert "(an index is built)" in status.verdict

    feed.consumer.kill()
    feed.consumer.start()
    feed.consumer.wait_for("consumer.paused")
    assert _records(reader) == 1

    resume(feed.settings.group, "", using="default")
    feed.wait_until_equal()


def _records(reader: StatusReader) -> int:
    return sum(lag.records for lag in reader.read().lags or ())
