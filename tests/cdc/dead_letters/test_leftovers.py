"""A discard marks the dead letters whose rows may differ from their documents."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pymongo.database import Database

from cdc.conf import CdcSettings
from cdc.dead_letters.decisions import discard, replay
from cdc.models import DeadLetter
from cdc.mongo import client as mongo_client
from cdc.mongo.client import connect, database
from cdc.mongo.plan import Document
from cdc.mongo.reader import ReplicaReader
from cdc.status.unverified import discarded
from stories.models import Story
from tests.support.builders import COLLECTIONS
from tests.support.letters import letter, letter_about

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
MESSAGE = (
    "The documents of {} whose dead letters were discarded may differ from the database: run "
    "`manage.py reconcile --repair`."
)


@dataclass
class Replica:
    """Stories, and the collections for their documents."""

    database: Database[Document]

    def copy(self, story: Story, **columns: object) -> None:
        """Insert the story into every collection, with different values in some columns."""
        fields = {str(each.column): getattr(story, each.attname) for each in _fields(story)}
        document = {**fields, "_epoch": 1, "_version": 2, **columns, "_id": story.pk}
        for name in COLLECTIONS:
            self.database[name].insert_one(dict(document))


def _fields(story: Story) -> Any:
    return story._meta.concrete_fields


@pytest.fixture
def replica(
    feed_settings: CdcSettings, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Replica]:
    monkeypatch.setattr("cdc.dead_letters.leftovers._SECONDS", 60.0)
    settings.CDC = feed_settings
    client = connect(feed_settings)
    yield Replica(database(client, feed_settings))
    client.drop_database(feed_settings.mongodb_database)
    client.close()


def new_story() -> Story:
    return Story.objects.create(title="as it is", href="http://example.org/", user={"n": [1]})


def throw_away(*letters: DeadLetter) -> list[bool]:
    """Discard the dead letters, and return which of them are marked."""
    outcome = discard(letters, "noise", using="default")
    assert outcome.resolved == [each.pk for each in letters]
    return list(DeadLetter.objects.order_by("pk").values_list("may_differ", flat=True))


def test_a_row_that_equals_its_documents_leaves_the_status_healthy(replica: Replica) -> None:
    story = new_story()
    replica.copy(story)

    assert throw_away(letter_about(story.pk), letter_about(4711)) == [False, False]
    assert discarded() == ""


@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"title": "as it was"}},
        {"$set": {"left_over": 1}},
        {"$unset": {"_version": 1}},
    ],
)
def test_a_row_that_differs_in_one_collection_is_reported(
    replica: Replica, change: Document
) -> None:
    story, other = new_story(), new_story()
    replica.copy(story)
    replica.copy(other)
    replica.database[COLLECTIONS[1]].update_one({"_id": story.pk}, change)

    assert throw_away(letter_about(story.pk), letter_about(other.pk)) == [True, False]
    assert discarded() == MESSAGE.format("1 row")


def test_a_missing_document_and_one_without_a_row_are_reported(replica: Replica) -> None:
    missing, deleted = new_story(), new_story()
    replica.copy(deleted)
    about = letter_about(missing.pk), letter_about(deleted.pk), letter_about(missing.pk)
    deleted.delete()

    assert throw_away(*about) == [True, True, True]
    assert discarded() == MESSAGE.format("2 rows")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, None),
        (b"?", b"?"),
        (b'{"id":1}', b'{"source":{"table":"orders"}}'),
        (b'{"id":"x"}', b'{"source":{"table":"stories_story"}}'),
    ],
)
def test_a_message_that_names_no_captured_row_leaves_nothing(
    replica: Replica, key: bytes | None, value: bytes | None
) -> None:
    assert throw_away(letter(key, value)) == [False]


def test_a_replayed_letter_is_not_marked(replica: Replica) -> None:
    replay([letter_about(new_story().pk)], "", using="default")

    assert not DeadLetter.objects.filter(may_differ=True).exists()


def test_without_mongodb_letters_are_discarded_and_marked(
    replica: Replica, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only the first comparison waits for MongoDB."""
    settings.CDC = replace(settings.CDC, mongodb_uri="mongodb://127.0.0.1:1/?replicaSet=a")
    options = {**mongo_client._OPTIONS, "serverSelectionTimeoutMS": 1}
    monkeypatch.setattr(mongo_client, "_OPTIONS", options)
    monkeypatch.setattr("cdc.dead_letters.decisions._CHUNK", 2)
    waited: list[int] = []
    held = ReplicaReader.held

    def counted(reader: ReplicaReader, *asked: Any) -> Any:
        waited.append(1)
        return held(reader, *asked)

    monkeypatch.setattr(ReplicaReader, "held", counted)

    assert throw_away(*[letter_about(new_story().pk) for _ in range(5)]) == [True] * 5
    assert len(waited) == 1
    assert discarded() == MESSAGE.format("5 rows")


def test_many_letters_are_compared_together(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdc.dead_letters.decisions._CHUNK", 20)
    stories = [new_story() for _ in range(50)]
    for story in stories[1:]:
        replica.copy(story)
    asked: list[int] = []
    held = ReplicaReader.held

    def counted(reader: ReplicaReader, collections: Any, keys: Any) -> Any:
        asked.append(len(keys))
        return held(reader, collections, keys)

    monkeypatch.setattr(ReplicaReader, "held", counted)

    marked = throw_away(*[letter_about(story.pk) for story in stories])

    assert marked == [True] + [False] * 49
    assert asked == [20, 20, 10]
