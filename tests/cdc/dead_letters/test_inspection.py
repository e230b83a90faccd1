"""The comparison of a dead letter with its row and with the documents of a real replica."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pymongo.database import Database

from cdc.audience import HIDDEN, Audience
from cdc.conf import CdcSettings
from cdc.dead_letters.inspection import Inspection, Inspector
from cdc.mongo.client import connect, database
from cdc.mongo.plan import Document
from stories.models import Story
from tests.support.builders import COLLECTIONS, change, delivered
from tests.support.letters import letter, letter_about

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@dataclass
class Ends:
    """A story, and the collections for its documents."""

    settings: CdcSettings
    story: Story
    database: Database[Document]

    def copy(self, **columns: object) -> None:
        """Insert the story into every collection, with different values in some columns."""
        wire = {**_wire(self.story), "_epoch": 1, "_version": 2, **columns}
        for name in COLLECTIONS:
            self.database[name].insert_one({**wire, "_id": self.story.pk})

    def inspect(self, audience: Audience = Audience.OPERATORS) -> Inspection:
        return Inspector(self.settings, "default").inspect(letter_about(self.story.pk), audience)


def _wire(story: Story) -> Document:
    fields = Story._meta.concrete_fields
    return {str(field.column): getattr(story, field.attname) for field in fields}


@pytest.fixture
def ends(feed_settings: CdcSettings) -> Iterator[Ends]:
    client = connect(feed_settings)
    story = Story.objects.create(title="as it is", href="http://example.org/", user={"n": [1]})
    yield Ends(feed_settings, story, database(client, feed_settings))
    client.drop_database(feed_settings.mongodb_database)
    client.close()


def test_a_row_that_is_missing_from_the_replica(ends: Ends) -> None:
    inspection = ends.inspect()

    assert inspection.verdict == (
        f"stories_story {ends.story.pk} is missing from at least one collection: "
        "a replay sends the row."
    )
    title = next(line for line in inspection.lines if line.column == "title")
    assert (title.message, title.source, title.replica, title.differs) == (
        *("as the message has it", "as it is", "-", False),
    )


def test_row_and_replica_are_equal(ends: Ends) -> None:
    ends.copy()

    inspection = ends.inspect()

    assert inspection.differing == ()
    assert "is the same in the replica" in inspection.verdict
    assert not inspection.changes
    date = next(line for line in inspection.lines if line.column == "submit_date")
    assert date.source == date.replica


def test_columns_that_differ_are_named(ends: Ends) -> None:
    ends.copy(title="older", diggs=9)

    inspection = ends.inspect()

    assert inspection.differing == ("title", "diggs")
    assert (
        "differs from the replica in title, diggs: a replay sends the current row"
        in inspection.verdict
    )


@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"left_over": 1}},
        {"$unset": {"_version": 1}},
        {"$set": {"_epoch": "one"}},
    ],
)
def test_a_document_that_a_reconciliation_reports_is_not_the_same(
    ends: Ends, change: Document
) -> None:
    ends.copy()
    ends.database[COLLECTIONS[1]].update_one({}, change)

    inspection = ends.inspect()

    assert inspection.differing == ()
    assert "an extra field or no valid version: a replay sends the current" in inspection.verdict
    assert inspection.changes


def test_collections_that_differ_are_shown_separately(ends: Ends) -> None:
    ends.copy()
    ends.database[COLLECTIONS[1]].update_one({}, {"$set": {"title": "odd"}})

    title = next(line for line in ends.inspect().lines if line.column == "title")

    assert title.replica == (
        "stories_story: as it is; stories_story_1: odd; stories_story_2: as it is"
    )


def test_a_deleted_row(ends: Ends) -> None:
    ends.copy()
    about = letter_about(ends.story.pk)
    Story.objects.all().delete()

    inspection = Inspector(ends.settings, "default").inspect(about, Audience.OPERATORS)
    assert "has been deleted, but not from the replica: a replay sends" in inspection.verdict
    assert inspection.changes

    for name in COLLECTIONS:
        ends.database[name].delete_many({})
    inspection = Inspector(ends.settings, "default").inspect(about, Audience.OPERATORS)
    assert "is in neither the database nor the replica" in inspection.verdict
    assert not inspection.changes


def test_a_message_of_any_shape_can_be_inspected(ends: Ends) -> None:
    deep = b'{"source":{"table":"stories_story"},"after":{"user":%s1%s}}'
    for value in (b"", b"\xff", b"[]", b'{"after":7}', deep % (b"[" * 500, b"]" * 500), None):
        about = letter(b'{"id":%d}' % ends.story.pk, value)
        assert Inspector(ends.settings, "default").inspect(about, Audience.OPERATORS).verdict


def test_an_event_is_compared_as_the_consumer_would_write_it(ends: Ends) -> None:
    document = delivered(change("c", ends.story.pk, 1)).document
    assert document is not None
    ends.database[COLLECTIONS[0]].insert_one(document)

    assert "is missing from at least one collection" in ends.inspect().verdict


def test_overseers_see_no_columns_with_personal_data(ends: Ends) -> None:
    ends.copy(user={"name": "Pat"}, title="older")

    inspection = ends.inspect(Audience.OVERSEERS)

    shown = [line.column for line in inspection.lines]
    assert "title" in shown
    assert not {"user", "submitted_by_id"} & set(shown)
    assert "Pat" not in str(inspection.as_json())
    assert inspection.payload == HIDDEN


@pytest.mark.parametrize("value", [b"", b'{"after":{"title":"Pat"}}', None])
def test_overseers_see_nothing_of_a_malformed_message(ends: Ends, value: bytes | None) -> None:
    about = letter(b'{"id":"pat@people.example"}', value)

    inspection = Inspector(ends.settings, "default").inspect(about, Audience.OVERSEERS)

    assert (inspection.payload, inspection.lines) == (HIDDEN, ())
    assert inspection.verdict == "The message is not a well-formed event of a captured table."
