"""An event is written to the same database as its row."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F

from stories.models import Story
from tests.cdc.capture.events import deleted, events, forget, replay, updated
from tests.cdc.capture.world import columns, story, table, wire

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]


def test_events_stay_with_their_rows() -> None:
    one = story()
    one.save(using="other")
    rows = Story.objects.using("other")
    rows.create(**columns())
    rows.bulk_create([story(), story(pk=77)])
    rows.bulk_create([story(pk=77), story()], ignore_conflicts=True)
    rows.filter(pk=one.pk).update(diggs=F("diggs") + 1)
    rows.update_or_create(pk=one.pk, defaults={"title": "new"})
    rows.bulk_update([one], ["title"])
    rows.filter(pk=77).delete()
    one.save()

    assert events() == []
    assert [event.op for event in events(using="other")] == list("cccccuuudu")
    assert replay(events(using="other")) == table(using="other")


def test_a_delete_follows_its_row() -> None:
    one = story()
    one.save(using="other")
    story(pk=one.pk).save()
    forget(using="other")
    forget()

    one.delete()

    assert (len(events()), len(events(using="other"))) == (0, 1)


def test_a_router_decides_where_a_queryset_writes(settings: Any) -> None:
    story(pk=1).save(using="other")
    story(pk=1, title="not this").save()
    forget(using="other")
    forget()
    settings.DATABASE_ROUTERS = ["tests.cdc.capture.test_databases.WriteToOther"]

    Story.objects.filter(pk=1).update(title="new")
    Story.objects.filter(pk=1).delete()

    assert events() == []
    middle = wire(1, title="new")
    assert events(using="other") == [updated(wire(1), middle), deleted(middle)]


def test_a_rollback_on_one_database_leaves_the_other() -> None:
    with transaction.atomic(using="other"):
        story(pk=1).save(using="other")
        story(pk=2).save()
        transaction.set_rollback(True, using="other")

    assert (len(events()), len(events(using="other"))) == (1, 0)


def test_a_flush_begins_an_epoch() -> None:
    call_command("flush", database="other", interactive=False, verbosity=0)
    story().save(using="other")

    assert len(events(using="other")) == 1


class WriteToOther:
    """Reads from one database, writes to the other."""

    def db_for_read(self, model: type, **_: Any) -> str:
        return "default"

    def db_for_write(self, model: type, **_: Any) -> str:
        return "other"
