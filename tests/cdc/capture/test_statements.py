"""The SQL statements of each kind of write, compared with a baseline for each database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.world import World, columns, story
from tests.support.golden import matches

pytestmark = [
    pytest.mark.database,
    pytest.mark.counted,
    pytest.mark.django_db(transaction=True),
]

BASELINE = Path(__file__).parent / "statements"
TEN = range(10)
THOUSAND = range(1_000)


def upsert(world: World) -> None:
    wanted = connection.features.supports_update_conflicts_with_target
    target: dict[str, Any] = {"unique_fields": ["source_id"]} if wanted else {}
    rows = [story(source_id="s1"), story(source_id="new")]
    Story.objects.bulk_create(rows, update_conflicts=True, update_fields=["title"], **target)


def in_a_transaction(write: Callable[[World], Any]) -> Callable[[World], Any]:
    def run(world: World) -> None:
        with transaction.atomic():
            write(world)

    return run


WRITES: dict[str, Callable[[World], Any]] = {
    "create": lambda _: Story.objects.create(**columns()),
    "save": lambda world: world.a.save(),
    "save in a transaction": in_a_transaction(lambda world: world.a.save()),
    "save with a new key": lambda _: story(pk=77_000).save(),
    "delete": lambda world: world.a.delete(),
    "delete in a transaction": in_a_transaction(lambda world: world.a.delete()),
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


# These run in this order: each later write changes the rows that the first write created.
WRITES_OF_1000: dict[str, Callable[[list[Story]], Any]] = {
    "bulk_create of 1000": Story.objects.bulk_create,
    "bulk_update of 1000": lambda stories: Story.objects.bulk_update(stories, ["title"]),
    "update of 1000": lambda _: Story.objects.update(title="x"),
    "delete of 1000": lambda _: Story.objects.all().delete(),
}


def with_keys(stories: list[Story]) -> list[Story]:
    """Set the keys, which a plain `bulk_create` does not set on MySQL."""
    keys = Story.objects.order_by("id").values_list("id", flat=True)
    for one, key in zip(stories, keys, strict=False):
        one.pk = key
    return stories


def count(write: Callable[[Any], Any], argument: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        write(argument)
    return len(queries)


def found_by(kind: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return the number of statements of each write; `plain` writes are not captured."""
    found: dict[str, int] = {}
    with monkeypatch.context() as patch:
        if kind == "plain":
            patch.setattr(registry, "_by_model", {})
        for name, write in WRITES.items():
            world = World.made()
            found[name] = count(write, world)
            Story.objects.all().delete()
            world.person.delete() if world.person.pk else None
        stories = [story() for _ in range(1_000)]
        for name, write_many in WRITES_OF_1000.items():
            found[name] = count(write_many, stories)
            with_keys(stories)
    return found


def test_each_write_takes_as_many_statements_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    captured, plain = (found_by(kind, monkeypatch) for kind in ("captured", "plain"))

    found = {name: {"captured": captured[name], "plain": plain[name]} for name in captured}
    product = "mariadb" if getattr(connection, "mysql_is_mariadb", False) else connection.vendor
    assert matches(BASELINE / f"{product}.json", found), f"now: {found}"
