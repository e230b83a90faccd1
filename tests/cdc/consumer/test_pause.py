"""A row in the database pauses the consumers. Paused consumers stay in their group."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError

from cdc.consumer import pause as pauses
from cdc.consumer.pause import PauseWatch, current_pause, pause, resume
from cdc.context import acting_as
from cdc.models import OperatorAction
from cdc.runtime import telemetry
from cdc.wire.records import Record
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


def test_a_paused_consumer_polls_so_that_it_stays_in_its_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed, polled = Feed(), list[int]()
    feed.consumer._paused = lambda: True

    def poll(_: object, limit: int, __: float) -> list[Record]:
        polled.append(limit)
        return []

    monkeypatch.setattr(type(feed.source), "poll", poll)

    for _ in range(3):
        assert feed.consumer.run_once()

    assert len(polled) == 3


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


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[PauseWatch]:
    """A watch that polls often and waits for its first answer."""
    monkeypatch.setattr(pauses, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(pauses, "_FIRST_POLL_SECONDS", 60.0)
    before = set(threading.enumerate())
    watch = PauseWatch(GROUP, "default")
    yield watch
    watch.stop()
    wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.django_db(transaction=True)
def test_a_watch_follows_the_pauses_until_it_is_stopped(watch: PauseWatch) -> None:
    others = set(threading.enumerate())
    assert watch(), "unknown counts as paused"
    watch.start()
    assert not watch(), "the first answer is waited for"
    (thread,) = set(threading.enumerate()) - others
    assert thread.daemon, "it would keep the process alive"

    for _ in range(2):
        pause(GROUP, "", using="default")
        wait_until(watch)
        resume(GROUP, "", using="default")
        wait_until(lambda: not watch())

    watch.stop()
    thread.join(60)
    assert not thread.is_alive()
    pause(GROUP, "", using="default")
    assert not watch()


def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(group: str, *, using: str) -> None:
        raise OperationalError("gone away")

    monkeypatch.setattr(pauses, "current_pause", away)


@pytest.mark.django_db(transaction=True)
def test_a_consumer_starts_although_the_database_is_unreachable(
    watch: PauseWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "_FIRST_POLL_SECONDS", 0.05)
    with monkeypatch.context() as broken:
        unreachable(broken)
        watch.start()
        assert watch(), "unknown counts as paused"
    wait_until(lambda: not watch())


@pytest.mark.django_db(transaction=True)
def test_a_database_that_does_not_respond_is_logged_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch = PauseWatch(GROUP, "default")
    with monkeypatch.context() as broken:
        unreachable(broken)
        watch.poll()
    (logged,) = caplog.records
    assert logged.message == telemetry.CONSUMER_PAUSE_UNKNOWN
    assert vars(logged)["error"].startswith("Database error (gone away): check that")

    watch.poll()
    with monkeypatch.context() as broken:
        unreachable(broken)
        watch.poll()
    assert len(caplog.records) == 1
    with monkeypatch.context() as broken:
        unreachable(broken)
        broken.setattr("cdc.consumer.pause._REPEAT_SECONDS", 0.0)
        watch.poll()
    assert len(caplog.records) == 2


@pytest.mark.django_db(databases=["default", "other"])
def test_each_database_has_its_own_pauses() -> None:
    with acting_as("7"):
        assert pause(GROUP, "an index is built", using="other")
    of_each = {name: PauseWatch(GROUP, name) for name in ("default", "other")}
    for each in of_each.values():
        each.poll()

    assert {name: each() for name, each in of_each.items()} == {"default": False, "other": True}
    assert not resume(GROUP, "", using="default")
    assert resume(GROUP, "", using="other")
    assert current_pause(GROUP, using="other") is None
    logged = OperatorAction.objects.using("other").order_by("id")
    assert list(logged.values_list("what", "target")) == [
        ("pause", f"consumers of {GROUP}"),
        ("resume", f"consumers of {GROUP}"),
    ]
    assert not OperatorAction.objects.exists()


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("using", ["default", "other"])
def test_a_pause_that_cannot_be_logged_neither_begins_nor_ends(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: str, using: str) -> None:
        raise OperationalError(f"no room in {using}")

    with monkeypatch.context() as broken:
        broken.setattr(pauses, "log_action", full)
        with pytest.raises(OperationalError):
            pause(GROUP, "", using=using)
    assert current_pause(GROUP, using=using) is None

    pause(GROUP, "", using=using)
    with monkeypatch.context() as broken:
        broken.setattr(pauses, "log_action", full)
        with pytest.raises(OperationalError):
            resume(GROUP, "", using=using)
    assert current_pause(GROUP, using=using) is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [RuntimeError("odd"), KeyError("group"), OSError(24, "files")])
def test_a_pause_is_noticed_after_an_unexpected_error(
    watch: PauseWatch, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    watch.start()
    failed = threading.Event()

    def fail(group: str, *, using: str) -> None:
        failed.set()
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(pauses, "current_pause", fail)
        assert failed.wait(60)
        assert not watch(), "the last answer counts"
    pause(GROUP, "", using="default")
    wait_until(watch)
