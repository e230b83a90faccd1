"""Epochs, and the command `new_epoch`."""

from io import StringIO
from threading import Barrier, Thread
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections
from django.db.models.signals import post_migrate

from cdc.jobs.kinds import REPAIR
from cdc.models import Epoch, Job, JobState, OperatorAction, OutboxRecord, RelayLease
from cdc.outbox import table as outbox
from cdc.outbox.epoch import ensure_epoch
from cdc.status.unverified import unverified
from cdc.wire.event import Version
from stories.models import Story
from tests.cdc.capture.world import story
from tests.cdc.outbox.guarded import Scene, epoch, save
from tests.support.outbox_ids import truncate

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

LATER = 10**15
"""An epoch that is later than the current time in milliseconds."""


def test_a_migrated_database_has_an_epoch() -> None:
    epoch = outbox.current_epoch(using="default")

    assert epoch is not None
    assert epoch > 1_700_000_000_000
    call_command("migrate", verbosity=0)
    assert outbox.current_epoch(using="default") == epoch


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_each_database_has_an_epoch_of_its_own() -> None:
    Epoch.objects.all().delete()
    Epoch.objects.using("other").all().delete()

    ensure_epoch("other")

    assert outbox.current_epoch(using="other") is not None
    assert outbox.current_epoch(using="default") is None


def test_a_flush_begins_a_new_epoch() -> None:
    before = outbox.current_epoch(using="default")
    call_command("flush", interactive=False, verbosity=0)

    assert (outbox.current_epoch(using="default") or 0) > (before or 0)


def test_a_handler_of_an_earlier_app_can_save_captured_rows() -> None:
    """`post_migrate` reaches the apps in the order of INSTALLED_APPS, also after a flush."""
    saved: list[Story] = []

    def create(**_: Any) -> None:
        one = story()
        one.save()
        saved.append(one)

    first = next(iter(apps.get_app_configs()))
    post_migrate.connect(create, sender=first)
    try:
        call_command("flush", interactive=False, verbosity=0)
    finally:
        post_migrate.disconnect(create, sender=first)

    assert [one.pk for one in saved] == list(Story.objects.values_list("pk", flat=True))
    (record,) = OutboxRecord.objects.all()
    assert record.epoch == outbox.current_epoch(using="default")
    assert Epoch.objects.count() == 1


def test_fixtures_can_be_loaded_and_restored_before_the_first_epoch() -> None:
    """`loaddata` in a migration does this, and so does `serialized_rollback` in a test case."""
    one = story()
    one.save()
    content = connection.creation.serialize_db_to_string()
    call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
    assert not Epoch.objects.exists()

    connection.creation.deserialize_db_from_string(content)

    assert Story.objects.get().pk == one.pk
    assert Epoch.objects.exists()
    assert OutboxRecord.objects.exists()


def test_simultaneous_first_writes_begin_one_epoch() -> None:
    Epoch.objects.all().delete()
    begin, errors = Barrier(4), list[Exception]()

    def save_in_thread() -> None:
        try:
            begin.wait(30)
            save()
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=save_in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
    assert Epoch.objects.count() == 1
    assert set(OutboxRecord.objects.values_list("epoch", flat=True)) == {epoch()}


def test_an_epoch_that_begins_between_two_attempts_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(*, using: str) -> int:
        return Epoch.objects.using(using).create(value=7).value

    Epoch.objects.all().delete()
    monkeypatch.setattr(outbox, "current_epoch", begin)

    save()

    assert OutboxRecord.objects.get().epoch == 7


@pytest.mark.parametrize(("old", "now", "new"), [(5, 9, 9), (9, 5, 10), (9, 9, 10)])
def test_a_new_epoch_is_above_the_old_and_not_before_now(old: int, now: int, new: int) -> None:
    Epoch.objects.update(value=old)

    assert outbox.begin_epoch(now, using="default") == new
    assert list(Epoch.objects.values_list("value", flat=True)) == [new]


@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_save_while_an_epoch_begins_waits_for_it_or_has_the_old_one(before: int) -> None:
    """The save comes before the first, second or third write of the transaction."""
    Epoch.objects.update(value=5)
    writes: list[str] = []
    threads: list[Thread] = []
    errors: list[Exception] = []

    def save_in_thread() -> None:
        try:
            save()
        except DatabaseError as error:
            errors.append(error)
        finally:
            connections.close_all()

    def save_before(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "DELETE", "UPDATE")):
            writes.append(sql)
            if len(writes) == before:
                threads.append(Thread(target=save_in_thread))
                threads[0].start()
                threads[0].join(0.5)
        return execute(sql, *rest)

    with connection.execute_wrapper(save_before):
        assert outbox.begin_epoch(9, using="default") == 9
    threads[0].join(60)
    assert errors == []
    assert set(OutboxRecord.objects.values_list("epoch", flat=True)) <= {5, 9}
    assert OutboxRecord.objects.exists()


def test_each_row_has_the_epoch_at_its_insert() -> None:
    one = story()
    one.save()
    Epoch.objects.update(value=LATER)
    one.save()

    (first, second) = OutboxRecord.objects.values_list("epoch", flat=True).order_by("id")
    assert (first < LATER, second) == (True, LATER)


def test_new_epoch_refuses_while_the_outbox_holds_rows() -> None:
    story().save()
    before = outbox.current_epoch(using="default")

    with pytest.raises(CommandError, match=r"rows: 1\)") as refusal:
        call_command("new_epoch")

    assert (refusal.value.returncode, outbox.current_epoch(using="default")) == (1, before)


@pytest.mark.parametrize("rows", [0, 1])
def test_the_command_begins_a_new_epoch(rows: int) -> None:
    for _ in range(rows):
        story().save()
    Epoch.objects.update(value=LATER)
    out = StringIO()

    call_command("new_epoch", *["--force"] * rows, stdout=out)

    assert outbox.current_epoch(using="default") == LATER + 1
    assert out.getvalue().startswith(f"The epoch is now {LATER + 1}. Job ")


def test_the_command_requests_a_repair() -> None:
    call_command("new_epoch", stdout=StringIO())

    job = Job.objects.get()
    assert (job.kind, job.state) == (REPAIR, JobState.WAITING)
    assert job.asked_by.startswith("os:")
    assert unverified().startswith(f"{job.asked_by} began a new epoch on ")
    log = OperatorAction.objects.order_by("id").values_list("who", "what")
    assert list(log) == [(job.asked_by, "new_epoch"), (job.asked_by, REPAIR)]


def test_after_the_command_no_relay_continues_at_the_old_mark() -> None:
    """The ids may have restarted. Rows up to the mark would be published seconds later."""
    scene = Scene()
    (saved, *_) = save(20)
    scene.run()
    truncate()
    RelayLease.objects.update(mark=10**9)
    call_command("new_epoch", stdout=StringIO())
    scene.restart()
    saved.save()

    scene.run()

    assert Version(epoch(), 1) in scene.versions()


def test_a_database_without_the_table_has_no_epoch() -> None:
    Epoch.objects.all().delete()

    class Zero:
        all_models = {"cdc": {}}  # type: ignore[var-annotated]

    ensure_epoch("default", apps=Zero())  # type: ignore[arg-type]
    assert outbox.current_epoch(using="default") is None
    ensure_epoch("default", apps=apps)
    assert outbox.current_epoch(using="default") is not None
