"""Rewinding a running consumer changes nothing in the replica."""

import pytest

from cdc.models import OperatorAction
from cdc.runtime.counters import totals
from cdc.runtime.telemetry import DUPLICATE, STALE
from stories.models import Story
from tests.acceptance.conftest import RunningFeed
from tests.support.commands import Done, manage_patiently

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def rewind(feed: RunningFeed, *arguments: str) -> Done:
    return manage_patiently(feed.environment, "rewind", *arguments)


def absorbed() -> int:
    counted = totals("default")
    return counted[STALE] + counted[DUPLICATE]


def write_some() -> None:
    for number in range(20):
        story = Story.objects.create(title=f"story {number}", href="http://example.org/")
        Story.objects.filter(pk=story.pk).update(diggs=number)
        if number % 4 == 0:
            story.delete()


@pytest.mark.parametrize("where", [("--to-earliest",), ("--to-time", "2020-01-01")])
def test_a_running_consumer_reads_again_and_applies_nothing(
    feed: RunningFeed, where: tuple[str, ...]
) -> None:
    write_some()
    feed.wait_until_equal()
    before = absorbed()

    result = rewind(feed, *where)

    assert result.returncode == 0, result.stderr
    assert OperatorAction.objects.get().what == "rewind"
    feed.wait_until(lambda: absorbed() >= before + 20, "the records to be read again")
    feed.wait_until_equal()


def test_an_offset_that_kafka_does_not_hold_is_refused(feed: RunningFeed) -> None:
    feed.consumer.wait_for("partition.taken")

    result = rewind(feed, "--to-offset", "4000", "--partition", "0")

    assert result.returncode == 2
    partition = f"Partition 0 of {feed.settings.topic}"
    assert f"{partition} has no offset 4000: use an offset from 0 to 0." in result.stderr


def test_exactly_one_target_is_required(feed: RunningFeed) -> None:
    assert rewind(feed, "--to-earliest", "--to-offset", "3").returncode == 2
    assert rewind(feed).returncode == 2
