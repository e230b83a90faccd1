"""The time to data loss of a running pipeline, as `/metrics` exports it."""

from functools import partial

import pytest
from django.test import Client

from cdc.registry import registry
from cdc.status.reader import StatusReader
from project.pages import feed_state
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.project.metrics.samples import samples_of
from tests.support.latest import patient

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
DAY = 86_400


def times(metric: str) -> dict[str, float]:
    """Return the time of each partition."""
    text = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    series = samples_of(text).get(f"storyfeed_time_to_{metric}_seconds", {})
    return {dict(labels)["partition"]: seconds for labels, seconds in series.items()}


def test_the_time_runs_while_the_consumer_is_stopped(
    feed: RunningFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = StatusReader(feed.settings, registry)
    monkeypatch.setattr(feed_state.feed, "latest", patient(reader.read, fresh=0))
    whole = feed.settings.delete_marker_days * DAY
    stories = [Story.objects.create(title=f"{n}", href="http://a.example/") for n in range(20)]
    feed.wait_until_equal()
    feed.wait_until(lambda: set(times("data_loss").values()) == {whole}, "the positions")
    assert len(times("data_loss")) == feed.settings.partitions
    assert times("marker_expiry") == times("data_loss")

    feed.consumer.stop()
    stories[0].delete()

    def partly_used(metric: str) -> bool:
        return sorted(value < whole - 2 for value in times(metric).values())[-2:] == [False, True]

    for metric in ("data_loss", "marker_expiry"):
        feed.wait_until(partial(partly_used, metric), "the time of one partition to run")
    assert min(times("data_loss").values()) > whole - 3_600

    feed.consumer.start()
    feed.wait_until_equal()
    feed.wait_until(lambda: set(times("data_loss").values()) == {whole}, "the consumer to catch up")
