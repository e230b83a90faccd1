"""Only the default database is published. Captured writes to other databases are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F

from cdc.errors import Refused
from stories.models import Story
from tests.cdc.capture.events import events
from tests.cdc.capture.world import columns, story, table
from tests.support.toy.models import Box, Toy

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]

OTHER = "other"


WRITES: dict[str, Callable[[], Any]] = {
    "save": lambda: story().save(using=OTHER),
    "save of a loaded row": lambda: _loaded().save(),
    "create": lambda: Story.objects.using(OTHER).create(**columns()),
    "bulk_create": lambda: Story.objects.using(OTHER).bulk_create([story()]),
    "ignore_conflicts": lambda: Story.objects.using(OTHER).bulk_create(
        [story(pk=1)], ignore_conflicts=True
    ),
    "update": lambda: Story.objects.using(OTHER).update(diggs=F("diggs") + 1),
    "update of no row": lambda: Story.objects.using(OTHER).filter(pk=0).update(diggs=1),
    "bulk_update": lambda: Story.objects.using(OTHER).bulk_update([_loaded()], ["title"]),
    "delete": lambda: _loaded().delete(),
    "delete of a queryset": lambda: Story.objects.using(OTHER).all().delete(),
    "a cascade": lambda: Box.objects.using(OTHER).all().delete(),
    "a related manager": lambda: Box.objects.using(OTHER).get().toys.create(name="cat"),
    "update_or_create": lambda: Story.objects.using(OTHER).update_or_create(
        pk=1, defaults={"title": "new"}
    ),
    "a raw save": lambda: story().save_base(raw=True, using=OTHER),
}


def _loaded() -> Any:
    return Story.objects.using(OTHER).get()


@pytest.fixture(autouse=True)
def _rows() -> None:
    """Insert rows into the other database without capture."""
    for one in (story(pk=1), Box(pk=1, name="b"), Toy(pk=1, name="bear", box_id=1, shiny=True)):
        rows: Any = type(one)._base_manager.using(OTHER)
        rows._insert([one], fields=one._meta.concrete_fields, using=OTHER)


@pytest.mark.parametrize("write", WRITES)
def test_a_write_to_another_database_is_refused(write: str) -> None:
    rows, toys = table(using=OTHER), table(Toy, using=OTHER)

    with pytest.raises(Refused, match="'other', whose changes are not published"):
        WRITES[write]()

    assert (table(using=OTHER), table(Toy, using=OTHER)) == (rows, toys)
    assert (events(), events(using=OTHER)) == ([], [])


def test_the_caller_s_transaction_remains_usable() -> None:
    with transaction.atomic(using=OTHER):
        for write in ("save", "create", "bulk_create", "update", "delete", "a raw save"):
            with pytest.raises(Refused):
                WRITES[write]()
        assert Story.objects.using(OTHER).count() == 1
        Box.objects.using(OTHER).create(name="c")

    assert Box.objects.using(OTHER).count() == 2


def test_reads_and_copies_from_another_database_are_allowed() -> None:
    copy = Story.objects.using(OTHER).get()
    copy.save(using="default")

    assert [event.op for event in events()] == ["c"]
    assert table() == table(using=OTHER)


def test_a_router_cannot_move_a_captured_write(settings: Any) -> None:
    one = story()
    one.save()
    settings.DATABASE_ROUTERS = ["tests.cdc.capture.test_databases.WriteToOther"]

    for write in (
        one.save,
        one.delete,
        Story.objects.all().delete,
        lambda: Story.objects.update(title="new"),
    ):
        with pytest.raises(Refused):
            write()

    assert [event.op for event in events()] == ["c"]


def test_a_flush_begins_an_epoch() -> None:
    call_command("flush", database="default", interactive=False, verbosity=0)
    story().save()

    assert len(events()) == 1


class WriteToOther:
    """A router that reads from the default database and writes to the other one."""

    def db_for_read(self, model: type, **_: Any) -> str:
        return "default"

    def db_for_write(self, model: type, **_: Any) -> str:
        return "other"
