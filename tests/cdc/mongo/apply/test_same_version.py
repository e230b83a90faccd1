"""Two events with the same version, without and with a history."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions

from cdc.conf import CdcSettings
from cdc.errors import Rejected
from cdc.mongo.apply.same_version import refuse_other_content, refuse_other_events
from cdc.mongo.client import connect
from cdc.mongo.history_document import event_document
from cdc.mongo.plan import Document, Plan
from cdc.mongo.replica import MongoReplica
from cdc.runtime.clock import SystemClock
from cdc.runtime.telemetry import VERSION_REUSED
from tests.support.builders import ROUTES, SOURCE, change, delivered


def test_the_document_of_an_event_has_its_content() -> None:
    event = delivered(change("u", 1, 2))
    assert event.document is not None

    refuse_other_content([event], {1: event.document})
    refuse_other_content([event], {})
    refuse_other_content([event], {1: {**event.document, "_version": 3, "title": "later"}})


@pytest.mark.parametrize(("op", "title"), [("u", "other"), ("d", "version 1.2")])
def test_another_content_is_refused(op: str, title: str) -> None:
    held = delivered(change("u", 1, 2)).document
    assert held is not None

    with pytest.raises(Rejected, match="with different content"):
        refuse_other_content([delivered(change(op, 1, 2, title=title))], {1: held})


def test_columns_that_were_added_or_removed_do_not_count() -> None:
    event = delivered(change("u", 1, 2))
    held = dict(event.document or {})
    del held["media"]

    refuse_other_content([event], {1: {**held, "language": "en"}})


def test_a_null_from_before_a_column_refused_null_is_the_same() -> None:
    story = change("u", 1, 2)
    event = delivered(replace(story, after={**(story.after or {}), "media": None}))
    held = dict(event.document or {})

    refuse_other_content(
        [replace(event, document={**held, "media": "news"})], {1: {**held, "media": None}}
    )
    with pytest.raises(Rejected, match="with different content"):
        refuse_other_content(
            [replace(event, document={**held, "media": "news"})], {1: {**held, "media": "x"}}
        )


@pytest.mark.services
def test_without_a_history_the_documents_are_compared(feed_settings: CdcSettings) -> None:
    settings = replace(feed_settings, history_days=0)
    client = connect(settings)
    replica = MongoReplica(client, settings, ROUTES, "a", clock=SystemClock())
    replica.prepare()
    replica.take_over(SOURCE, "topic")
    replica.apply([delivered(change("c", 1, 2))], {SOURCE: 1})

    again = replica.apply([delivered(change("c", 1, 2))], {SOURCE: 2})
    with pytest.raises(Rejected, match="with different content"):
        replica.apply([delivered(change("c", 1, 2, title="other"))], {SOURCE: 3})

    assert again.duplicates == 1
    client.drop_database(settings.mongodb_database)


@pytest.mark.services
def test_a_version_that_two_rows_have_is_logged_with_its_place(
    feed_settings: CdcSettings, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(feed_settings)
    replica = MongoReplica(client, feed_settings, ROUTES, "a", clock=SystemClock())
    replica.prepare()
    replica.take_over(SOURCE, "topic")
    replica.apply([delivered(change("c", 1, 2))], {SOURCE: 1})

    replica.apply([delivered(change("c", 2, 2), offset=1)], {SOURCE: 2})

    (logged,) = [vars(each) for each in caplog.records if each.message == VERSION_REUSED]
    assert [logged[name] for name in ("topic", "partition", "offset", "outbox_id")] == [
        *(SOURCE.topic, SOURCE.partition, 1, 2)
    ]
    client.drop_database(feed_settings.mongodb_database)


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
REFERENCE = {"$ref": "#/defs/a", "$id": "https://example.org/schema", "more": [MOMENT]}


@pytest.mark.parametrize("value", [MOMENT, [MOMENT], REFERENCE, {"in": [REFERENCE]}])
def test_a_value_is_the_same_after_mongodb_has_stored_it(value: Any) -> None:
    """MongoDB keeps milliseconds, and the client returns an object with two keys as a `DBRef`."""
    event = delivered(change("u", 1, 2))
    event = replace(event, document={**(event.document or {}), "media": value})
    held: Document = bson.decode(bson.encode(event.document or {}), CodecOptions(tz_aware=True))
    assert held != event.document

    refuse_other_content([event], {1: held})
    with pytest.raises(Rejected, match="with different content"):
        refuse_other_content([event], {1: {**held, "media": "x"}})


def test_an_event_is_the_same_after_the_history_has_stored_it() -> None:
    reference = {"$ref": "#/defs/a", "$id": "https://example.org/schema"}
    story = change("u", 1, 2)
    event = delivered(story)
    sent = replace(story, after={**(story.after or {}), "media": reference})
    event = replace(event, event=sent)
    past: Document = bson.decode(bson.encode(event_document(event)), CodecOptions(tz_aware=True))
    assert past["after"] != event.event.after

    assert refuse_other_events([event], [past], Plan(writes={}, duplicates=1, stale=0)) == []
    with pytest.raises(Rejected, match="with different content"):
        refuse_other_events(
            [event], [{**past, "after": {}}], Plan(writes={}, duplicates=1, stale=0)
        )
