"""A running consumer can be paused and resumed. The pause survives a restart."""

from typing import TYPE_CHECKING

import pytest

from cdc.consumer.pause import resume
from cdc.registry import registry
from cdc.status.reader import StatusReader
from stories.models import Story
from tests.acceptance.conftest import RunningFeed, wait_until_published

if TYPE_CHECKING:
    from cdc.status.verdict import Status

pytestmark = [pytest.mark.services, pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_paused_consumer_stays_in_its_group(feed: RunningFeed) -> None:
    Story.objects.create(title="before", href="http://example.org/")
    feed.wait_until_equal()
    reader = StatusReader(feed.settings, registry)

    feed.pause("an index is built")
    Story.objects.create(title="meanwhile", href="http://example.org/")
    feed.wait_until(lambda: _records(reader) > 0, "a queued record")
    wait_until_published()
    found: list[Status] = []

    def shown() -> bool:
        found.append(reader.read())
        waiting = "1 change queued: resume the consumers on the Pipeline page."
        return found[-1].consumers == 1 and waiting in found[-1].verdict

    feed.wait_until(shown, "the pause in the verdict")
    assert not found[-1].healthy
    assert "(an index is built)" in found[-1].verdict

    feed.consumer.kill()
    feed.consumer.start()
    feed.consumer.wait_for("consumer.paused")
    feed.wait_until(lambda: _records(reader) == 1, "the record is still queued")

    resume(feed.settings.group, "", using="default")
    feed.wait_until_equal()


def _records(reader: StatusReader) -> int:
    return sum(lag.records for lag in reader.read().lags or ())
