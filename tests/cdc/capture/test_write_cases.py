"""Each kind of write has exactly the expected events, inside and outside transactions."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from cdc import __version__
from cdc.outbox.table import current_epoch
from tests.cdc.capture.events import Event, envelope, events, records, replay
from tests.cdc.capture.world import World, table
from tests.cdc.capture.write_cases import CASES, WriteCase

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

Run = Callable[[], list[Event]]


class Undone(Exception):
    """Raised in an atomic block to roll it back."""


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
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_write_has_exactly_its_events(
    world: World, case: WriteCase, mode: Callable[[Run], list[Event]]
) -> None:
    expected = mode(lambda: case.write(world))

    assert events() == expected
    before = [Event("c", None, row) for row in world.rows.values()]
    assert replay([*before, *events()]) == table()


def test_the_envelope_has_the_source_and_the_actor(world: World) -> None:
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
