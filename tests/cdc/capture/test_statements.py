"""The SQL statements of each kind of write, compared with a baseline for each database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.world import World, columns, story
from tests.support.golden import matches

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

BASELINE = Path(__file__).parent / "statements"
TEN = range(10)


def upsert(world: World) -> None:
    wanted = connection.features.supports_update_conflicts_with_target
    target: dict[str, Any] = {"unique_fields": ["source_id"]} if wanted else {}
    rows = [story(source_id="s1"), story(source_id="new")]
    Story.objects.bulk_create(rows, update_conflicts=True, update_fields=["title"], **target)


WRITES: dict[str, Callable[[World], Any]] = {
    "create": lambda _: Story.objects.create(**columns()),
    "save": lambda world: world.a.save(),
    "save with a new key": lambda _: story(pk=77_000).save(),
    "delete": lambda world: world.a.delete(),
    "update of 1": lambda world: Story.objects.filter(pk=world.a.pk).update(title="x"),
    "update of 4": lambda _: Story.objects.update(diggs=F("diggs") + 1),
    "update of none": lambda _: Story.objects.filter(diggs=77).update(title="x"),
    "bulk_update of 2": lambda world: Story.objects.bulk_update([world.a, world.b], ["title"]),
    "bulk_create of 10": lambda _: Story.objects.bulk_create([story() for _ in TEN]),
    "bulk_create of 10, conflicts ignored": lambda _: Story.objects.bulk_create(
        [story() for _ in TEN], ignore_conflicts=True
    ),
    "bulk_create of 2, 1 conflict updated": upsert,
    "delete of 4": lambda _: Story.objects.all().delete(),
    "update_or_create": lambda _: Story.objects.update_or_create(
        source_id="s1", defaults={"title": "x"}
    ),
    "delete of a person with 4 stories": lambda world: world.person.delete(),
}


def count(write: Callable[[World], Any], world: World) -> int:
    with CaptureQueriesContext(connection) as queries:
        write(world)
    return len(queries)


def test_each_write_takes_as_many_statements_as_before(
    monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any
) -> None:
    found: dict[str, dict[str, int]] = {}
    for name, write in WRITES.items():
        found[name] = {}
        for kind in ("captured", "plain"):
            Story.objects.all().delete()
            world = World.made()
            with monkeypatch.context() as patch:
                if kind == "plain":
                    patch.setattr(registry, "_by_model", {})
                found[name][kind] = count(write, world)
            world.person.delete() if world.person.pk else None

    product = "mariadb" if getattr(connection, "mysql_is_mariadb", False) else connection.vendor
    assert matches(BASELINE / f"{product}.json", found), f"now: {found}"
