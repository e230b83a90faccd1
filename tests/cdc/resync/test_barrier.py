"""The barrier names the part that makes no progress."""

import pytest

from cdc.errors import Retryable
from cdc.models import OutboxRecord
from cdc.resync.barrier import Barrier
from cdc.testing.twins import FakeClock
from stories.models import Story
from tests.support.feed_settings import without_servers

pytestmark = pytest.mark.django_db(transaction=True)
UNREACHABLE = without_servers(bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/")


class DrainingClock(FakeClock):
    """Removes an outbox row at each sleep, like a slow relay."""

    def sleep(self, seconds: float) -> None:
        super().sleep(10.0)
        OutboxRecord.objects.order_by("id")[:1].get().delete()
        if not OutboxRecord.objects.exists():
            raise InterruptedError


def test_an_outbox_that_does_not_drain_is_an_error() -> None:
    Story.objects.create(title="a", href="http://a.example/")
    clock = FakeClock()
    began = clock.now
    barrier = Barrier(UNREACHABLE, ["story-events"], clock, using="default", patience=30.0)
    message = r"1 changes queued and the outbox is not draining: .* `manage.py relay_outbox`"
    with pytest.raises(Retryable, match=message):
        barrier.wait()
    assert 30.0 < clock.now - began < 31.0


def test_an_outbox_that_drains_slowly_is_waited_for() -> None:
    for number in range(8):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    clock = DrainingClock()
    barrier = Barrier(UNREACHABLE, ["story-events"], clock, using="default", patience=30.0)
    with pytest.raises(InterruptedError):
        barrier.wait()
