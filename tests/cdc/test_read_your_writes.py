"""The wait for a change ends at its timeout, even if MongoDB does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cdc import read_your_writes
from cdc.errors import Retryable
from cdc.mongo.plan import Identity
from cdc.read_your_writes import wait_until_applied
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from cdc.wire.event import Version
from stories.models import Story
from tests.support.memory_reader import MemoryReader

pytestmark = pytest.mark.django_db(transaction=True)
SOCKET_SECONDS, LONGEST_EXCESS = 20.0, 0.11


class HungReader(MemoryReader):
    """A reader of a MongoDB that answers no query."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(MemoryFeed().store)
        self._clock = clock
        self._left = SOCKET_SECONDS

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        self._left = seconds
        yield
        self._left = SOCKET_SECONDS

    def version(self, collection: str, key: Identity) -> Version | None:
        self._clock.sleep(self._left)
        raise Retryable("MongoDB is not responding.")


class LimitedReader(MemoryReader):
    """A reader whose checks must have a limit; in pymongo, 0 means no limit."""

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        assert seconds > 0
        yield


@pytest.mark.parametrize("timeout", [0, 0.5, 5])
def test_a_hung_mongodb_is_not_waited_for_longer(
    monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    story, clock = Story.objects.create(title="a", href="http://a.example/"), FakeClock()
    reader = HungReader(clock)
    monkeypatch.setattr(read_your_writes, "process_reader", lambda: reader)
    began = clock.monotonic()

    assert not wait_until_applied(story, timeout, clock=clock)

    assert timeout <= clock.monotonic() - began <= timeout + LONGEST_EXCESS


def test_a_change_that_is_applied_is_found_without_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    feed, key = MemoryFeed(), Story.objects.create(title="a", href="http://a.example/").pk
    feed.run()
    reader = LimitedReader(feed.store)
    monkeypatch.setattr(read_your_writes, "process_reader", lambda: reader)

    assert wait_until_applied(Story.objects.get(pk=key), 0, clock=FakeClock())
