"""A SQLite file that is replaced while the relay has it open."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from django.db import connection, connections

from cdc.canary.beat import start_beating
from cdc.canary.models import Canary
from cdc.consumer.pause import PauseWatch, pause
from cdc.dead_letters.store import DeadLetterStore
from cdc.errors import Fatal, Retryable
from cdc.models import DeadLetter, OutboxRecord
from cdc.outbox.queue import OutboxQueue
from cdc.outbox.relay import LEASE_SECONDS
from cdc.wire.records import Record
from stories.models import Story
from tests.cdc.outbox.guarded import Scene, epoch, save
from tests.support.builders import SOURCE
from tests.support.commands import wait_until

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def put_back(copy: Path) -> None:
    file = Path(connection.settings_dict["NAME"])
    for leftover in file.parent.glob(f"{file.name}-*"):
        leftover.unlink()
    copy.replace(file)


def test_an_older_copy_of_the_sqlite_file_is_noticed(scene: Scene, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    save(3)
    scene.run()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    save(4)
    scene.run()
    scene.clock.sleep(LEASE_SECONDS)
    put_back(copy)

    scene.run()
    saved = save(2)
    scene.run()

    assert len(scene.began) == 1
    assert scene.repeated() == {}
    assert [version.epoch for version in sorted(scene.versions())[-2:]] == [epoch()] * 2
    assert Story.objects.count() == 3 + len(saved)


def test_another_thread_deletes_from_the_new_file(tmp_path: Path) -> None:
    """The relay's sweeper has its own connection, which may still use the old file."""
    copy = tmp_path / "copy.sqlite3"
    save(2)
    row = OutboxRecord.objects.latest("id")
    connection_of_thread = ThreadPoolExecutor(1)
    queue = OutboxQueue("default")
    assert connection_of_thread.submit(queue.ids, above=0, limit=9).result()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    connection.close()
    put_back(copy)

    assert connection_of_thread.submit(queue.delete, [row.id], row.epoch, [row.ts_ms]).result()
    connection_of_thread.submit(connections.close_all).result()

    assert not OutboxRecord.objects.filter(pk=row.pk).exists()


def test_the_canary_is_sent_to_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.canary.beat.EVERY_SECONDS", 0.05)
    copy, stopped = tmp_path / "copy.sqlite3", Event()
    before = set(threading.enumerate())
    start_beating("default", stopped.is_set)
    (thread,) = set(threading.enumerate()) - before
    try:
        wait_until(Canary.objects.exists, "the first canary")
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(copy)])
        connection.close()
        put_back(copy)
        sent = Canary.objects.get().beat
        wait_until(lambda: Canary.objects.get().beat > sent, "a canary in the new file", 30)
    finally:
        stopped.set()
        thread.join(60)


def test_a_missing_sqlite_file_is_not_created(scene: Scene, tmp_path: Path) -> None:
    file = Path(connection.settings_dict["NAME"])
    scene.run()
    away = file.rename(tmp_path / "away")
    scene.clock.sleep(1)
    try:
        with pytest.raises(Retryable, match="is missing"):
            scene.relay.run_once()
        assert not file.exists()
    finally:
        away.rename(file)
    scene.run()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the database file."""
    copy = tmp_path / "copy.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    return copy


def test_a_consumer_reads_the_pause_in_the_new_file(copy: Path) -> None:
    watch = PauseWatch("storyfeed", "default")
    pause("storyfeed", "", using="default")
    watch.poll()
    assert watch()

    put_back(copy)
    watch.poll()

    assert not watch()


def test_a_pause_stays_while_the_file_is_missing(copy: Path) -> None:
    watch = PauseWatch("storyfeed", "default")
    pause("storyfeed", "", using="default")
    watch.poll()
    file = Path(connection.settings_dict["NAME"])
    file.unlink()

    watch.poll()

    assert watch()
    assert not file.exists(), "an empty database would count as not paused"
    put_back(copy)


def test_a_dead_letter_is_stored_in_the_new_file(copy: Path) -> None:
    """The position moves past the message, so the consumer would not read it again."""
    assert not DeadLetter.objects.exists()
    put_back(copy)
    record = Record(source=SOURCE, offset=7, key=b"x", value=b"no event")

    DeadLetterStore("storyfeed", "default").store(record, "an id", "The value is not JSON.")

    connection.close()
    assert DeadLetter.objects.count() == 1


def test_a_dead_letter_stops_the_consumer_while_the_file_is_missing(copy: Path) -> None:
    record = Record(source=SOURCE, offset=7, key=b"x", value=b"no event")
    assert not DeadLetter.objects.exists()
    file = Path(connection.settings_dict["NAME"])
    file.unlink()
    try:
        with pytest.raises(Fatal, match="can be neither applied nor stored"):
            DeadLetterStore("storyfeed", "default").store(record, "an id", "The value is not JSON.")
        assert not file.exists(), "the next start would find an empty database"
    finally:
        put_back(copy)
