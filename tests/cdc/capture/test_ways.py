"""Each way of writing, in and outside transactions, gives its events and no others."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from cdc import __version__
from cdc.outbox.table import current_epoch
from tests.cdc.capture.events import Event, envelope, events, records, replay
from tests.cdc.capture.ways import WAYS, Way
from tests.cdc.capture.world import World, table

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

Run = Callable[[], list[Event]]


class Undone(Exception):
    """Rolls a block back."""


def autocommit(run: Run) -> list[Event]:
    return run()


def atomic(run: Run) -> list[Event]:
    with transaction.atomic():
        return run()


def savepoint_rolled_back(run: Run) -> list[Event]:
    with transaction.atomic():
        try:
            with transaction.atomic():
                run()
                raise Undone
        except Undone:
            return []


def outer_rolled_back(run: Run) -> list[Event]:
    try:
        with transaction.atomic():
            with transaction.atomic():
                run()
            raise Undone
    except Undone:
        return []


@pytest.mark.parametrize(
    "mode", [autocommit, atomic, savepoint_rolled_back, outer_rolled_back], ids=lambda m: m.__name__
)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_gives_exactly_its_events(
    world: World, way: Way, mode: Callable[[Run], list[Event]]
) -> None:
    expected = mode(lambda: way.write(world))

    assert events() == expected
    before = [Event("c", None, row) for row in world.rows.values()]
    assert replay([*before, *events()]) == table()


def test_the_envelope_says_where_when_and_who(world: World) -> None:
    world.a.save()

    (record,) = records()
    source = envelope(record)["source"]
    assert source == {
        "version": __version__,
        "connector": "storyfeed",
        "name": "storyfeed",
        "ts_ms": record.ts_ms,
        "snapshot": "false",
        "db": str(connection.settings_dict["NAME"]).rpartition("/")[2],
        "table": "stories_story",
        "sequence": f'["{current_epoch(using="default")}","{record.id}"]',
        "user": "7",
    }
    assert record.key == f'{{"id":{world.a.pk}}}'
    assert record.topic == "story-events"
