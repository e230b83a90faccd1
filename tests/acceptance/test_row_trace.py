"""Tracing a story's last change through a running pipeline."""

import re
from dataclasses import replace

import pytest
from django.conf import LazySettings

from cdc.conf import CdcSettings
from cdc.read_your_writes import wait_until_applied
from cdc.status import row_trace
from cdc.status.row_trace import trace_row
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.acceptance.test_send_to_kafka import replica
from tests.support.equality import COLLECTIONS
from tests.support.feed_settings import LONG_SESSION, without_servers

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def feed_settings(feed_settings: CdcSettings) -> CdcSettings:
    """Keep the consumer in its group: nothing can restart it while the test's process waits."""
    return replace(feed_settings, kafka_config=LONG_SESSION)


def test_each_step_is_traced(
    feed: RunningFeed, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_trace, "PATIENCE_SECONDS", 60.0)
    settings.CDC = feed.settings
    story = Story.objects.create(title="first", href="http://example.org/")
    assert wait_until_applied(story, 60)
    # The relay deletes a published row in another thread, maybe after the change is applied.
    feed.wait_until(lambda: trace_row(story).settled, "the trace is settled")
    trace = trace_row(story)
    expected = rf"Version {trace.outbox_id} reached every collection \S+ s after the save\."
    assert re.fullmatch(expected, trace.sentence)
    assert trace.settled
    assert trace.saved_at is not None
    assert trace.partition in range(5)
    assert trace.offset == 0
    assert [each.collection for each in trace.arrivals] == list(COLLECTIONS)
    assert {each.outbox_id for each in trace.arrivals} == {trace.outbox_id}
    assert all(each.applied_at for each in trace.arrivals)

    feed.pause("")
    story.title = "second"
    story.save()
    feed.wait_until(
        lambda: "consumers are paused" in trace_row(story).sentence, "the pause in the trace"
    )
    assert not trace_row(story).settled

    feed.relay.kill()
    story.title = "third"
    story.save()
    sentence = trace_row(story).sentence
    assert "in the outbox" in sentence
    assert f"The replica has version {trace.outbox_id}." in sentence

    replica(feed)[COLLECTIONS[1]].delete_one({"_id": story.pk})
    assert trace_row(story).arrivals[1].outbox_id is None


def test_an_unreachable_mongodb_is_not_waited_for(
    transactional_db: None, settings: LazySettings
) -> None:
    story = Story.objects.create(title="first", href="http://example.org/")
    uri = "mongodb://127.0.0.1:1/?replicaSet=none"
    settings.CDC = without_servers(mongodb_uri=uri)
    trace = trace_row(story)
    assert "is in the outbox. The state of the replica is unknown: " in trace.sentence
    assert not trace.settled
