"""Changes that wait in the outbox of another database are found."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connections

from cdc.doctor.check import Level
from cdc.doctor.database import check_database
from cdc.models import Epoch, OutboxRecord
from cdc.outbox import other_databases
from cdc.outbox.other_databases import OtherDatabases, OtherOutbox

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])
OTHER = "other"


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold a connection to the other database, which is in memory and would otherwise be lost."""
    monkeypatch.setattr(other_databases, "_WAIT_SECONDS", 60.0)
    connections[OTHER].ensure_connection()
    begin_epoch()
    yield
    begin_epoch()


def begin_epoch() -> None:
    """Begin an epoch that only the other database has.

    After a test, both get a new epoch, which is the time in milliseconds. If both were the same,
    the other database would count as a copy.
    """
    Epoch.objects.using(OTHER).all().delete()
    Epoch.objects.using(OTHER).create(value=1)


def strand(seconds: float, rows: int = 1) -> None:
    for number in range(rows):
        OutboxRecord.objects.using(OTHER).create(
            topic="t",
            key=f'{{"id":{number}}}',
            op="c",
            ts_ms=round((time.time() - seconds) * 1000),
            db="d",
            table="stories_story",
            user="u",
            epoch=1,
        )


def found() -> tuple[OtherOutbox, ...]:
    return OtherDatabases().outboxes()


def test_changes_that_no_relay_reads_are_found() -> None:
    assert found() == ()
    strand(7200, rows=2)
    (other,) = found()
    assert (other.database, other.rows) == (OTHER, 2)
    assert other.seconds >= 7200
    checks = {check.id: check for check in check_database(settings.CDC, "default")}
    assert checks["database.other_outbox"].level is Level.WRONG
    text = checks["database.other_outbox"].text
    assert text.startswith("Changes wait in the outbox of the database 'other' (number: 2, ")


def test_changes_that_another_relay_may_still_publish_are_not_found() -> None:
    strand(0.0)
    assert found() == ()


def test_a_copy_of_the_default_database_is_not_found() -> None:
    strand(7200)
    Epoch.objects.using(OTHER).update(value=Epoch.objects.get().value)
    assert found() == ()


def test_a_database_without_an_outbox_is_not_found() -> None:
    strand(7200)
    with connections[OTHER].schema_editor() as editor:
        editor.delete_model(OutboxRecord)
    try:
        assert found() == ()
    finally:
        with connections[OTHER].schema_editor() as editor:
            editor.create_model(OutboxRecord)


def test_a_database_that_does_not_respond_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    strand(7200)
    others = OtherDatabases()
    before = others.outboxes()
    assert before
    responds = threading.Event()

    def waiting(alias: str, ours: int | None) -> Iterator[OtherOutbox]:
        responds.wait(600)
        yield from ()

    monkeypatch.setattr(other_databases, "_waiting", waiting)
    monkeypatch.setattr(other_databases, "_WAIT_SECONDS", 0.01)
    assert others.outboxes() == before
    monkeypatch.setattr(other_databases, "_WAIT_SECONDS", 600)
    assert others.outboxes() == before  # does not wait for the first look again
    responds.set()
