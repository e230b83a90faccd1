"""If outbox ids are reused, a new epoch begins before anything else is published."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path

import orjson
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from cdc.canary.models import Canary
from cdc.errors import Refused, Retryable
from cdc.models import Epoch, OutboxRecord, RelayLease
from cdc.outbox import table as outbox
from cdc.outbox.continuity import FLUSH_SECONDS, EpochGuard
from cdc.outbox.progress import SETTLE_AGE_SECONDS
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.relay import LEASE_SECONDS, RENEW_SECONDS
from cdc.outbox.sweeper import LOOK_SECONDS, Sweeper
from cdc.runtime import telemetry
from cdc.testing.twins import FakeClock
from cdc.wire.event import Version
from cdc.wire.published import Published
from cdc.wire.records import Outgoing
from stories.models import Story
from tests.cdc.outbox.guarded import Scene, Tally, epoch, save, version_of
from tests.support.outbox_ids import assign_from, drop_and_create, truncate

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def put_back() -> None:
    assign_from(3)


ACCIDENTS = [truncate, drop_and_create, put_back]


@pytest.mark.parametrize("knows", ["memory", "kafka"])
@pytest.mark.parametrize("later", [1, 4, 9])
@pytest.mark.parametrize("accident", ACCIDENTS)
def test_reused_ids_begin_a_new_epoch_before_anything_is_published(
    scene: Scene, accident: Callable[[], None], later: int, knows: str
) -> None:
    """The number of new changes is lower than, similar to or higher than that of reused ids."""
    truncate()
    save(6)
    scene.run()
    before, published = epoch(), set(scene.versions())
    accident()
    saved = save(later)
    if knows == "kafka":
        scene.restart()
    else:
        scene.clock.sleep(1)

    scene.run()

    assert [found for found, _ in scene.began] == [epoch()]
    assert epoch() > before
    new = set(scene.versions()) - published
    assert {version.epoch for version in new} == {epoch()}
    assert len(new) == len(saved)
    assert scene.repeated() == {}
    assert not OutboxRecord.objects.exists()
    assert scene.counters.since_start()[telemetry.IDS_REUSED] == 1


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_an_idle_outbox_is_looked_at_every_second(
    scene: Scene, accident: Callable[[], None]
) -> None:
    save(6)
    scene.run()
    scene.clock.sleep(1)
    accident()

    scene.run()

    assert len(scene.began) == 1


def test_a_row_under_a_published_id_is_noticed_between_two_looks(scene: Scene) -> None:
    """Within a second, the ids restart and exceed the published ids again."""
    truncate()
    save(3)
    scene.run()
    published = len(scene.versions())
    truncate()
    save(7)

    scene.run()

    assert len(scene.began) == 1
    assert scene.repeated() == {}
    assert len(scene.versions()) == published + 7


@pytest.mark.parametrize("later", [2, 3, 5])
def test_a_truncate_while_rows_wait_for_their_deletion_loses_no_change(
    scene: Scene, later: int
) -> None:
    """The new rows have the epoch and the ids of rows that are published and not deleted yet."""
    truncate()
    scene.relay = scene.new_relay("a", Sweeper)
    save(3)
    scene.run()
    assert OutboxRecord.objects.count() == 3
    published = len(scene.versions())
    truncate()
    saved = save(later)
    scene.sweep()

    scene.clock.sleep(1)
    scene.run()
    scene.sweep()

    assert len(scene.began) == 1
    assert len(scene.versions()) == published + len(saved)
    assert scene.repeated() == {}
    assert not OutboxRecord.objects.exists()


def test_the_next_check_after_a_refused_row_is_due_at_once() -> None:
    truncate()
    began: list[int] = []
    clock, counters = FakeClock(), Tally("default", FakeClock())
    guard = EpochGuard(
        using="default",
        witnesses=[],
        on_new_epoch=lambda found, _: began.append(found),
        clock=clock,
        counters=counters,
    )
    save()
    assert not guard.check(1, lambda: True)
    assert guard.admits(list(OutboxRecord.objects.all()))
    OutboxRecord.objects.update(key="another")
    assert not guard.check(1, lambda: True), "within a second"

    assert not guard.admits(list(OutboxRecord.objects.all()))

    assert guard.check(1, lambda: True)
    assert began == [epoch()]


def test_no_reused_id_below_the_mark_is_published_between_two_looks(scene: Scene) -> None:
    """The sweeper finds the new rows, which have low ids, before the guard's next look."""
    truncate()
    scene.relay = scene.new_relay("a", Sweeper)
    Story.objects.bulk_create([Story(title=f"{n}", href="http://e.org/") for n in range(300)])
    scene.run()
    scene.sweep()
    scene.clock.sleep(SETTLE_AGE_SECONDS)
    scene.run()
    scene.sweep()
    scene.clock.sleep(LOOK_SECONDS - 0.5)
    scene.run()
    published = set(scene.versions())
    truncate()
    save(3)
    scene.clock.sleep(0.5)
    scene.sweep()

    scene.run()

    assert len(scene.began) == 1
    assert {each.epoch for each in set(scene.versions()) - published} == {epoch()}
    assert scene.repeated() == {}


@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("later_epoch", [False, True])
def test_after_a_restored_row_its_current_state_is_published(
    scene: Scene, *, later_epoch: bool, restarted: bool, deleted: bool
) -> None:
    """The row was published already, and so were later changes of the same story."""
    (story,) = save()
    rows = list(OutboxRecord.objects.all())
    scene.run()
    story.title = "new"
    story.save()
    if deleted:
        story.delete()
    scene.run()
    scene.clock.sleep(SETTLE_AGE_SECONDS)
    scene.run()  # The gap before the first id settles; the next renewal stores the mark.
    scene.clock.sleep(RENEW_SECONDS)
    scene.run()
    if later_epoch:
        command()
    OutboxRecord.objects.bulk_create(rows)
    if restarted:
        scene.restart()

    for _ in range(3):
        scene.clock.sleep(LOOK_SECONDS)
        scene.sweep()
        scene.run()

    records = [record for log in scene.broker.logs.values() for record in log]
    newest = max(records, key=lambda record: (version_of(record), record.value is None))
    assert newest is records[-1]
    if deleted:
        assert newest.value is None
    else:
        assert orjson.loads(newest.value or b"")["after"]["title"] == "new"
    assert not OutboxRecord.objects.exists()


def test_a_deleted_epoch_is_replaced_unless_a_flush_does_it(scene: Scene) -> None:
    """Until then, no captured row can be saved."""
    save(3)
    scene.run()
    before = epoch()
    Epoch.objects.all().delete()
    for _ in range(int(FLUSH_SECONDS) - 1):
        scene.clock.sleep(1)
        scene.run()
    assert scene.began == []
    with pytest.raises(Refused, match="has no epoch"):
        save()

    scene.clock.sleep(1)
    scene.run()
    save(2)
    scene.run()

    assert scene.began == [(epoch(), "The database has no epoch: the epoch's row was deleted.")]
    assert epoch() > before
    assert len(scene.versions()) == 5
    assert scene.repeated() == {}


def test_a_standby_that_takes_over_during_a_flush_waits_for_the_new_epoch(scene: Scene) -> None:
    save(3)
    scene.run()
    standby = scene.new_relay("standby")
    standby.run_once()
    scene.clock.sleep(FLUSH_SECONDS)
    scene.run()
    standby.run_once()
    Epoch.objects.all().delete()
    scene.relay.close()
    scene.clock.sleep(LEASE_SECONDS)

    scene.run(standby)
    assert scene.began == []
    for _ in range(int(FLUSH_SECONDS)):
        scene.clock.sleep(1)
        scene.run(standby)

    assert len(scene.began) == 1


@pytest.mark.parametrize("knows", ["memory", "kafka"])
@pytest.mark.parametrize("between", [0, 2, 7])
def test_a_second_truncate_before_anything_is_published(
    scene: Scene, between: int, knows: str
) -> None:
    save(6)
    scene.run()
    published = set(scene.versions())
    truncate()
    save(2)
    scene.clock.sleep(1)
    if between:
        scene.run()
        save(between)
    truncate()
    saved = save(3)
    if knows == "kafka":
        scene.restart()
    else:
        scene.clock.sleep(1)

    scene.run()
    scene.run()

    new = set(scene.versions()) - published
    assert len(new) == len(saved) + (2 if between else 0)
    assert scene.repeated() == {}
    assert not OutboxRecord.objects.exists()


def test_an_old_epoch_is_replaced_by_one_above_all_that_were_published(scene: Scene) -> None:
    old = epoch()
    later = outbox.begin_epoch(old + 1_000_000_000_000, using="default")
    save()
    scene.run()
    Epoch.objects.update(value=old)
    save()
    scene.restart()

    scene.run()

    assert epoch() == later + 1
    assert scene.began[0][1] == (
        f"The database has epoch {old}, but epoch {later} has been published."
    )
    assert max(scene.versions()).epoch == later + 1


def test_dumpdata_flush_and_loaddata_bring_the_old_epoch_back(scene: Scene, tmp_path: Path) -> None:
    truncate()
    old = epoch()
    Epoch.objects.update(id=1)  # loaddata then overwrites the epoch that flush creates
    save(3)
    scene.run()
    fixture = tmp_path / "all.json"
    call_command("dumpdata", "cdc", "stories", output=str(fixture), verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    call_command("loaddata", str(fixture), verbosity=0)
    assert epoch() == old
    scene.clock.sleep(LEASE_SECONDS)

    scene.run()

    assert epoch() > old
    assert scene.repeated() == {}
    assert not OutboxRecord.objects.exists()


def test_a_row_committed_after_the_new_epoch_is_published_in_it(scene: Scene) -> None:
    """Its id may already have been published in the old epoch."""
    save(3)
    scene.run()
    old = epoch()
    assign_from(2)
    scene.clock.sleep(1)
    scene.run()
    late = Story.objects.create(title="late", href="http://e.org/")
    OutboxRecord.objects.update(epoch=old)

    scene.run()

    (record,) = [
        record
        for log in scene.broker.logs.values()
        for record in log
        if record.value and orjson.loads(record.value)["after"]["id"] == late.pk
    ]
    assert version_of(record).epoch == epoch() > old
    assert not OutboxRecord.objects.exists()


def test_a_crash_before_the_commit_leaves_the_signs(scene: Scene) -> None:
    save(3)
    scene.run()
    before = epoch()
    truncate()
    save()
    scene.clock.sleep(1)

    class Crash(Exception):
        pass

    def crash(*_: object) -> None:
        raise Crash

    scene.relay._guard._on_new_epoch = crash  # type: ignore[union-attr]
    with pytest.raises(Crash):
        scene.run()
    assert epoch() == before
    published = set(scene.versions())

    scene.restart()
    scene.run()

    assert len(scene.began) == 1
    assert {version.epoch for version in set(scene.versions()) - published} == {epoch()}


def test_of_two_relays_one_begins_the_epoch(scene: Scene) -> None:
    save(3)
    scene.run()
    standby = scene.new_relay("standby")
    truncate()
    save(2)
    scene.clock.sleep(1)

    scene.run(standby)
    scene.run()
    scene.run(standby)
    scene.relay.close()
    scene.clock.sleep(LEASE_SECONDS)
    scene.run(standby)

    assert len(scene.began) == 1


def test_a_relay_that_looked_before_another_began_an_epoch_begins_none(scene: Scene) -> None:
    save(3)
    scene.run()
    guard = scene.relay._guard
    assert isinstance(guard, EpochGuard)
    truncate()
    assert guard._sign()
    outbox.begin_epoch(epoch() + 1, using="default")

    assert not guard._begin_epoch()
    assert scene.began == []


def roll_back() -> None:
    with suppress(RuntimeError), transaction.atomic():
        save(3)
        raise RuntimeError


def gaps() -> None:
    OutboxRecord.objects.all().delete()


def bulk() -> None:
    Story.objects.bulk_create(
        [Story(title=f"b {n}", href="http://e.org/") for n in range(300)], batch_size=100
    )
    Story.objects.update(title="all")


def reconnect() -> None:
    connection.close()


def flush() -> None:
    call_command("flush", interactive=False, verbosity=0)


def command() -> None:
    call_command("new_epoch", force=True, stdout=StringIO())


def nothing() -> None:
    pass


@pytest.mark.parametrize("happens", [roll_back, gaps, bulk, reconnect, flush, command, nothing])
@pytest.mark.parametrize("knows", ["memory", "kafka", "nothing"])
def test_ordinary_events_begin_no_epoch(
    scene: Scene, happens: Callable[[], None], knows: str
) -> None:
    save(5)
    scene.run()
    for _ in range(3):
        happens()
        before = epoch()
        if knows == "nothing":
            scene.broker.recreate("story-events")
        if knows != "memory":
            scene.restart(f"after {scene.clock.now}")
        else:
            scene.clock.sleep(LEASE_SECONDS)
        scene.run()
        save(2)
        scene.run()
        assert epoch() == before

    assert scene.began == []
    assert scene.repeated() == {}


def test_a_new_database_over_an_empty_topic_begins_no_epoch(scene: Scene) -> None:
    truncate()
    scene.run()
    save()
    scene.run()

    assert scene.began == []


@pytest.mark.row_locks
def test_a_change_that_commits_late_begins_no_epoch(scene: Scene) -> None:
    with connection.cursor() as cursor:
        save()
        row = OutboxRecord.objects.get()
        values = {field.attname: getattr(row, field.attname) for field in row._meta.fields}
        row.delete()
    save(4)
    scene.run()
    OutboxRecord.objects.create(**values)
    scene.restart()

    scene.run()

    assert cursor is not None
    assert scene.began == []
    assert not OutboxRecord.objects.exists()


def test_a_new_epoch_has_no_mark_of_the_old_one(scene: Scene) -> None:
    save(3)
    for _ in range(20):  # Until the ids below the first one are settled and the mark is stored.
        scene.run()
        scene.clock.sleep(RENEW_SECONDS)
    assert RelayLease.objects.get().mark > 0
    marks: list[int] = []
    scene.relay._guard._on_new_epoch = (  # type: ignore[union-attr]
        lambda *_: marks.append(RelayLease.objects.get().mark)
    )
    truncate()
    save()

    scene.clock.sleep(1)
    scene.run()

    assert marks == [0]


def test_a_crash_before_the_acknowledgement_begins_no_epoch(scene: Scene) -> None:
    save(5)
    rows = list(OutboxRecord.objects.all())
    scene.run()
    OutboxRecord.objects.bulk_create(rows)
    scene.restart()

    scene.run()

    assert scene.began == []
    assert scene.repeated() == {}
    assert not OutboxRecord.objects.exists()


def test_the_second_witness_is_asked_if_the_first_holds_nothing(scene: Scene) -> None:
    asked: list[str] = []

    def history(keep_waiting: Callable[[], bool]) -> Sequence[Published]:
        asked.append("history")
        return [Published(version=Version(epoch(), 10**9))]

    scene.witnesses.append(history)
    save()
    scene.run()
    assert scene.began
    scene.restart()
    scene.run()

    assert asked == ["history"]


def canary(beat: int) -> None:
    Canary.objects.update_or_create(name="c", defaults={"beat": beat, "sent_at": timezone.now()})


def test_the_canary_does_not_replace_the_lost_changes_of_a_topic(scene: Scene) -> None:
    """Only the history knows the ids in the recreated topic, which the database uses again."""
    truncate()
    canary(1)
    save(6)
    scene.run()
    known = [Published(version=max(scene.versions()))]
    scene.witnesses.append(lambda _: known)
    scene.broker.recreate("story-events")
    assert scene.versions() == [Version(epoch(), 1)], "the canary"
    assign_from(3)
    save(2)
    scene.restart()

    scene.run()

    assert len(scene.began) == 1
    assert {version.epoch for version in scene.versions()[1:]} == {epoch()}


@pytest.mark.parametrize("knows_a_story", [False, True])
def test_without_the_history_the_relay_publishes_what_follows_the_canary(
    scene: Scene, *, knows_a_story: bool
) -> None:
    """If the topic of each model has changes, the history is not even asked."""
    asked: list[str] = []

    def unreachable(keep_waiting: Callable[[], bool]) -> Sequence[Published]:
        asked.append("history")
        return []

    canary(1)
    save(1 if knows_a_story else 0)
    scene.run()
    scene.witnesses.append(unreachable)
    scene.restart()
    save()

    scene.run()

    assert asked == ([] if knows_a_story else ["history"])
    assert scene.began == []
    assert not OutboxRecord.objects.exists()


def test_the_history_is_asked_once_about_a_topic_that_is_empty_for_long(scene: Scene) -> None:
    """A standby may take over while MongoDB is down, and must not wait for it."""
    truncate()
    asked: list[str] = []

    def history(keep_waiting: Callable[[], bool]) -> Sequence[Published]:
        asked.append("history")
        return [Published(version=Version(epoch(), 1))]

    canary(1)
    scene.run()
    scene.witnesses.append(history)
    scene.restart()
    guard = scene.relay._guard
    assert isinstance(guard, EpochGuard)
    for _ in range(2):
        guard.learn(lambda: True)
    assert asked == ["history"]

    save()
    scene.run()
    guard.learn(lambda: True)
    scene.broker.recreate("story-events")
    guard.learn(lambda: True)

    assert asked == ["history"] * 2
    assert scene.began == []


def test_nothing_is_published_until_kafka_has_answered(scene: Scene) -> None:
    save()
    scene.broker.down = True

    for _ in range(3):
        with pytest.raises(Retryable):
            scene.relay.run_once()
    scene.broker.down = False
    scene.run()

    assert len(scene.versions()) == 1


def test_a_slow_answer_costs_the_lease_and_publishes_nothing(scene: Scene) -> None:
    save()

    def slow(keep_waiting: Callable[[], bool]) -> Sequence[Published]:
        scene.clock.sleep(2 * LEASE_SECONDS)
        OutboxQueue("default").drop_lease("a")
        assert OutboxQueue("default").take_lease("other", 60)
        return []

    scene.witnesses.insert(0, slow)
    with suppress(Retryable):
        scene.run()

    assert scene.versions() == []


def test_an_absurd_version_of_another_producer_changes_nothing(scene: Scene) -> None:
    save()
    for epoch_header in (b"9" * 19, b"9" * 400, "٣".encode(), b"-5", b"", b"\xff"):
        hostile = Outgoing(
            topic="story-events",
            key=b"k",
            value=b"{",
            headers=(("epoch", epoch_header), ("outbox_id", b"1")),
            timestamp_ms=0,
        )
        scene.broker.publish([hostile], lambda: True)

    scene.run()

    assert scene.began == []
    assert not OutboxRecord.objects.exists()


def test_the_reason_is_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "cdc.outbox.continuity")
    save(3)
    scene.run()
    highest = max(scene.versions()).outbox_id
    truncate()
    scene.clock.sleep(1)

    scene.run()

    (record,) = caplog.records
    assert (record.getMessage(), record.levelname) == ("outbox.ids_reused", "WARNING")
    assert vars(record)["epoch"] == epoch()
    assert vars(record)["reason"] == (
        f"The next outbox id is 1, but id {highest} has been published."
    )
