"""Waiting for what is under way names who does not do his part."""

import pytest

from cdc.errors import Retryable
from cdc.models import OutboxRecord
from cdc.resync.barrier import Passage
from cdc.testing.twins import FakeClock
from stories.models import Story
from tests.support.feed_settings import without_servers

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = without_servers(bootstrap_servers="127.0.0.1:1", mongodb_uri="mongodb://127.0.0.1:1/")


class TakingClock(FakeClock):
    """Takes a row out of the outbox now and then, as a slow relay does."""

    def sleep(self, seconds: float) -> None:
        super().sleep(10.0)
        OutboxRecord.objects.order_by("id")[:1].get().delete()
        if not OutboxRecord.objects.exists():
            raise InterruptedError


def test_an_outbox_that_nobody_empties_is_an_error_after_a_while() -> None:
    Story.objects.create(title="a", href="http://a.example/")
    clock = FakeClock()
    began = clock.now
    passage = Passage(NOBODY, ["story-events"], clock, using="default", patience=30.0)
    with pytest.raises(
        Retryable, match=r"1 changes wait in the outbox .* `manage.py relay_outbox`"
    ):
        passage.wait()
    assert 30.0 < clock.now - began < 31.0


def test_an_outbox_that_gets_shorter_is_waited_for_without_end() -> None:
    for number in range(8):
        Story.objects.create(title=f"{number}", href="http://a.example/")
    clock = TakingClock()
    passage = Passage(NOBODY, ["story-events"], clock, using="default", patience=30.0)
    with pytest.raises(InterruptedError):
        passage.wait()
