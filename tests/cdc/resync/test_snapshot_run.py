"""Snapshots of several selections, with a replica in MongoDB: what they report and resume."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from cdc.capture.resend import send_rows
from cdc.conf import CdcSettings
from cdc.errors import Refused
from cdc.models import Checkpoint, OutboxRecord
from cdc.mongo.client import connect
from cdc.outbox.throttle import OutboxLimit
from cdc.registry import registry
from cdc.resync import snapshot as snapshot_module
from cdc.resync import snapshot_run as module
from cdc.resync.selection import Selection
from cdc.resync.snapshot_run import SnapshotRun
from cdc.testing.feed import MemoryFeed
from cdc.testing.twins import FakeClock
from stories.models import Story
from tests.cdc.resync.mongodb import store
from tests.support.bars import Bars
from tests.support.toy.models import Label

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
STORIES, LABELS = (registry.by_table()[name] for name in ("stories_story", "toy_label"))


class Console(Bars):
    """Records what a command shows."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []


@pytest.fixture
def feed(feed_settings: CdcSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryFeed]:
    """Yield a feed with five stories and two labels.

    One collection lacks a story, and another one has an extra document.
    """
    monkeypatch.setattr(module, "cdc_settings", lambda: feed_settings)
    monkeypatch.setattr(snapshot_module, "CHUNK", 2)
    feed = MemoryFeed()
    for number in range(5):
        Story.objects.create(title=f"{number}", href="http://a.example/", diggs=number, comments=3)
    for text in ("a", "b"):
        Label.objects.create(text=text)
    feed.run()
    first = min(feed.documents("stories_story"))
    feed.documents("stories_story")[-1] = {**feed.documents("stories_story")[first], "_id": -1}
    del feed.documents("stories_story_1")[first]
    for capture in (STORIES, LABELS):
        store(feed, feed_settings, capture)
    yield feed
    connect(feed_settings).drop_database(feed_settings.mongodb_database)


def both() -> list[Selection]:
    return [Selection(capture=STORIES), Selection(capture=LABELS)]


def run_of(console: Console, stopped: Callable[[], bool] = lambda: False) -> SnapshotRun:
    return SnapshotRun(console.said.append, stopped, using="default", bar=console.bar)


def queued(table: str) -> str:
    rows = OutboxRecord.objects.filter(table=table).order_by("id")
    return "".join(rows.values_list("op", flat=True))


def test_every_selection_is_sent_and_reported(feed: MemoryFeed) -> None:
    console = Console()
    run = run_of(console)

    lines = run.send(both(), rate=0, restart=False)

    assert lines == [
        "stories_story: 5 rows and 1 delete sent",
        "toy_label: 2 rows and 0 deletes sent",
    ]
    assert (run.incomplete, run.interrupted) == ("", False)
    assert console.bars == [
        ("Sending stories_story", 5, [2, 2, 1]),
        ("Sending toy_label", 2, [2]),
    ]
    assert console.said == []
    assert (queued("stories_story"), queued("toy_label")) == ("rrrrrd", "rr")
    feed.run()
    assert -1 not in feed.documents("stories_story")
    assert not Checkpoint.objects.exists()


def test_an_outdated_checkpoint_is_not_resumed(feed: MemoryFeed) -> None:
    """If the replica was filled again since then, it may lack the rows before the checkpoint."""
    console = Console()
    stopped = run_of(console, lambda: any(steps for _, _, steps in console.bars))
    stopped.send(both(), rate=0, restart=False)
    assert Checkpoint.objects.exists()
    Checkpoint.objects.update(updated_at=timezone.now() - timedelta(hours=25))
    OutboxRecord.objects.all().delete()

    run_of(console).send(both(), rate=0, restart=False)

    assert console.said == [
        "stories_story: the stopped run is not resumed, because it was stopped more than a day ago."
    ]
    assert queued("stories_story") == "rrrrrd"


def test_the_effects_are_counted_and_nothing_is_sent(feed: MemoryFeed) -> None:
    console = Console()
    run = run_of(console)

    lines = run.count(
        [Selection(capture=STORIES), Selection(capture=STORIES, conditions=("diggs=0",))]
    )

    assert lines == [
        "stories_story: would insert 0, update 5, remove 1",
        "stories_story_1: would insert 1, update 4, remove 0",
        "stories_story_2: would insert 0, update 5, remove 0",
        "stories_story: would insert 0, update 1, remove 0",
        "stories_story_1: would insert 1, update 0, remove 0",
        "stories_story_2: would insert 0, update 1, remove 0",
    ]
    assert (run.incomplete, run.interrupted) == ("", False)
    assert console.bars == [
        ("Counting stories_story", 5, [5]),
        ("Counting stories_story with diggs=0", 1, [1]),
    ]
    assert not OutboxRecord.objects.exists()


def test_a_stopped_count_is_incomplete(feed: MemoryFeed) -> None:
    run = run_of(Console(), lambda: True)

    run.count(both())

    assert run.interrupted is True
    assert run.incomplete == "Stopped before everything was counted."


def stopped_after(console: Console, chunks: int) -> SnapshotRun:
    """Return a run that stops once `chunks` chunks are sent."""
    return run_of(console, lambda: sum(len(steps) for _, _, steps in console.bars) >= chunks)


def test_a_stopped_run_is_resumed_with_the_selection_at_which_it_stopped(
    feed: MemoryFeed,
) -> None:
    console = Console()
    stopped = stopped_after(console, 2)
    assert stopped.send(both(), rate=0, restart=False) == [
        "stories_story: 4 rows and 0 deletes sent"
    ]
    assert stopped.interrupted is True
    assert stopped.incomplete == "Stopped: run again with the same arguments to resume."

    again = run_of(console)
    lines = again.send(both(), rate=0, restart=False)

    assert lines[0] == "stories_story: 5 rows and 1 delete sent"
    assert console.said == ["Resuming stories_story: 4 rows and 0 deletes sent so far."]
    assert (queued("stories_story"), queued("toy_label")) == ("rrrrrd", "rr")


@pytest.mark.parametrize("discard", [False, True])
def test_a_run_begins_again_without_its_checkpoint(feed: MemoryFeed, *, discard: bool) -> None:
    console = Console()
    stopped_after(console, 2).send(both(), rate=0, restart=False)
    run = run_of(console)
    if discard:
        run.discard_checkpoints(both())

    run.send(both(), rate=0, restart=not discard)

    assert console.said == []
    assert queued("stories_story") == "rrrr" + "rrrrrd"


def test_other_tasks_and_selections_have_their_own_checkpoints(feed: MemoryFeed) -> None:
    console = Console()
    stopped_after(console, 2).send(both(), rate=0, restart=False)
    job = SnapshotRun(console.said.append, lambda: False, using="default", task="job 7")
    job.discard_checkpoints(both())
    some = [Selection(capture=STORIES, conditions=("diggs=0",))]

    run_of(console).send(some, rate=0, restart=True)
    job.send([Selection(capture=STORIES)], rate=0, restart=False)

    assert console.said == []
    run_of(console).send(both(), rate=0, restart=False)
    assert console.said == ["Resuming stories_story: 4 rows and 0 deletes sent so far."]


def test_the_order_of_the_conditions_does_not_matter(feed: MemoryFeed) -> None:
    console = Console()
    one = ("comments=3", "href=http://a.example/")
    stopped_after(console, 1).send(
        [Selection(capture=STORIES, conditions=one)], rate=0, restart=False
    )

    run_of(console).send([Selection(capture=STORIES, conditions=one[::-1])], rate=0, restart=False)

    assert [text.partition(" with")[0] for text in console.said] == ["Resuming stories_story"]


def test_refused_rows_are_incomplete_and_do_not_end_the_run(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(capture: object, keys: list[object], *, using: str) -> object:
        if capture is STORIES and min(feed.documents("stories_story_2")) in keys:
            raise Refused("It is too large.")
        return send_rows(capture, keys, using=using)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot_module, "send_rows", refuse)
    console = Console()
    run = run_of(console)

    lines = run.send(both(), rate=0, restart=False)

    assert lines == [
        "stories_story: 4 rows and 1 delete sent, 1 row refused",
        "toy_label: 2 rows and 0 deletes sent",
    ]
    assert run.incomplete == "Refused rows: 1. Correct these rows."
    assert run.interrupted is False
    assert console.said == ["It is too large."]


def test_the_rate_limits_the_rows_per_second(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(module, "SystemClock", lambda: clock)
    began = clock.now

    run_of(Console()).send([Selection(capture=LABELS)], rate=2, restart=False)
    assert clock.now - began == pytest.approx(1.0), "two rows"
    run_of(Console()).send([Selection(capture=STORIES)], rate=2, restart=False)

    assert clock.now - began == pytest.approx(1.0 + 3.0), "five rows and a delete"


def test_the_outbox_stays_under_its_limit(
    feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Draining(FakeClock):
        """Removes a row every ten seconds, like a slow relay."""

        def sleep(self, seconds: float) -> None:
            before = self.now
            super().sleep(seconds)
            if self.now // 10 > before // 10:
                OutboxRecord.objects.order_by("id")[:1].get().delete()

    clock, console = Draining(), Console()
    monkeypatch.setattr(module, "SystemClock", lambda: clock)
    monkeypatch.setattr(module, "OutboxLimit", partial(OutboxLimit, most=3))

    lines = run_of(console).send([Selection(capture=STORIES)], rate=0, restart=False)

    assert lines == ["stories_story: 5 rows and 1 delete sent"]
    assert OutboxRecord.objects.count() <= 3
    assert console.said[0].startswith("The outbox has 2 rows and is not draining.")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_the_rows_of_the_named_database_are_counted(feed: MemoryFeed) -> None:
    console = Console()
    run = SnapshotRun(console.said.append, lambda: False, using="other", bar=console.bar)

    lines = run.count([Selection(capture=LABELS)])

    assert lines == ["labels: would insert 0, update 0, remove 2"]
    assert console.bars == [("Counting toy_label", 0, [])]
