"""A row in the database pauses the consumers. Paused consumers stay in their group."""

import pytest
from django.db import OperationalError

from cdc.consumer import pause as pauses
from cdc.consumer.pause import PauseWatch, current_pause, pause, resume
from cdc.context import acting_as
from cdc.models import OperatorAction
from tests.cdc.consumer.test_consumer import TOPIC, Feed
from tests.support.builders import change, outgoing

GROUP = "storyfeed"


class Switch:
    """An in-memory pause flag."""

    on = False

    def __call__(self) -> bool:
        return self.on


def test_a_paused_consumer_applies_nothing_and_resumes_where_it_was() -> None:
    feed, switch = Feed(), Switch()
    feed.consumer._paused = switch
    feed.send(*(outgoing(change("c", key, key), TOPIC) for key in range(1, 10)))
    feed.drain()
    switch.on = True
    feed.drain()
    feed.send(*(outgoing(change("u", key, key + 100), TOPIC) for key in range(1, 10)))
    feed.drain()
    assert feed.source.started() == frozenset()
    assert feed.titles() == {key: f"version 1.{key}" for key in range(1, 10)}

    switch.on = False
    feed.drain()

    assert feed.titles() == {key: f"version 1.{key + 100}" for key in range(1, 10)}
    assert feed.counters.counted.total() == 0


@pytest.mark.django_db
def test_pause_and_resume_are_logged_once() -> None:
    with acting_as("7"):
        assert pause(GROUP, "an index is built", using="default")
        assert not pause(GROUP, "again", using="default")
        found = current_pause(GROUP, using="default")
        assert found is not None
        assert (found.who, found.why) == ("7", "an index is built")
        assert current_pause("another", using="default") is None
        assert resume(GROUP, "", using="default")
        assert not resume(GROUP, "", using="default")
    written = OperatorAction.objects.order_by("id").values_list("who", "what", "why")
    assert list(written) == [("7", "pause", "an index is built"), ("7", "resume", "")]


@pytest.mark.django_db
def test_the_last_answer_counts_while_the_database_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = PauseWatch(GROUP, "default")

    def away(group: str, *, using: str) -> None:
        raise OperationalError("gone away")

    with monkeypatch.context() as broken:
        broken.setattr(pauses, "current_pause", away)
        broken.setattr(pauses, "connections", {"default": _Connection()})
        watch.poll()
        assert watch(), "unknown counts as paused"
    watch.poll()
    assert not watch()
    pause(GROUP, "", using="default")
    watch.poll()
    assert watch()
    with monkeypatch.context() as broken:
        broken.setattr(pauses, "current_pause", away)
        broken.setattr(pauses, "connections", {"default": _Connection()})
        watch.poll()
    assert watch()


class _Connection:
    def close(self) -> None:
        """Do nothing, so that the test's connection stays open."""
