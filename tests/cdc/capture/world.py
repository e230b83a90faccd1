"""Four stories with known columns, as model instances and as rows of messages."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model, Q

from cdc.capture.images import images_where
from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.events import Event, JsonRow, updated
from users.models import User

FREE = 2**40
"""No database generates this key or the key below it."""
COLUMNS: dict[str, Any] = {
    "href": "http://digg.com/a",
    "title": "Ünïcode 🎉",
    "comments": 3,
    "diggs": 10,
    "container": {"name": "Technology", "short_name": "technology"},
    "submit_date": datetime(2009, 6, 1, 12, 30, 15, 123000, tzinfo=UTC),
    "promote_date": None,
    "topic": {"name": "Linux", "short_name": "linux"},
    "media": "news",
    "description": "",
    "link": "http://example.com/",
    "user": {"name": "kim", "registered": 1140000000},
    "status": "submitted",
    "shorturl": [{"short_url": "http://d.gg/1", "view_count": 2}],
    "thumbnail": None,
}
WIRE: JsonRow = {
    **COLUMNS,
    "submit_date": "2009-06-01T12:30:15.123Z",
    "idJSON": None,
    "submitted_by_id": None,
}


def story(**columns: Any) -> Story:
    return Story(**{**COLUMNS, **columns})


def wire(key: int | None, **columns: Any) -> JsonRow:
    return {"id": key, **WIRE, **columns}


@dataclass(frozen=True, slots=True)
class World:
    """Four stories: `a` to `d` have 1 to 4 diggs, and the source ids s1 to s4."""

    a: Story
    b: Story
    c: Story
    d: Story
    person: User
    keys: dict[str, int]
    """The keys of the stories and the person. Django removes the key of a deleted instance."""

    @classmethod
    def made(cls) -> "World":
        person = User.objects.create(email="kim@example.com", name="Kim")
        made = [story(diggs=n, source_id=f"s{n}", submitted_by=person) for n in range(1, 5)]
        for one in made:
            one.save()
        keys = dict(zip("abcd", (one.pk for one in made), strict=True))
        a, b, c, d = made
        return cls(a, b, c, d, person=person, keys={**keys, "person": person.pk})

    def row(self, name: str, **columns: Any) -> JsonRow:
        """Return a story's original row, with `columns` replaced."""
        number = "abcd".index(name) + 1
        made = {"diggs": number, "idJSON": f"s{number}", "submitted_by_id": self.keys["person"]}
        return wire(self.keys[name], **{**made, **columns})

    @property
    def rows(self) -> dict[int, JsonRow]:
        """The original rows by key."""
        return {self.keys[name]: self.row(name) for name in "abcd"}


def columns() -> JsonRow:
    """Return keyword arguments for `Story.objects.create`."""
    return {**COLUMNS}


def changed(world: World, names: str = "abcd", **columns: Any) -> list[Event]:
    """Return the expected events of an update that sets these columns of some stories."""
    return [updated(world.row(name), world.row(name, **columns)) for name in names]


def table(model: type[Model] = Story, *, using: str = "default") -> dict[Any, JsonRow]:
    """Return the stored rows by key, as in messages."""
    capture = registry.find(model)
    assert capture is not None
    rows = map(capture.wire_row, images_where(capture, Q(), using=using).values())
    return {row[capture.key.name]: row for row in rows}
