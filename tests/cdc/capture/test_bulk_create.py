"""`bulk_create` during concurrent inserts. Each updated row has a before-image."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from cdc.capture.bulk_create import BulkCreate
from cdc.capture.queryset import CapturedQuerySet
from stories.models import Story
from tests.cdc.capture.elsewhere import elsewhere
from tests.cdc.capture.events import events, replay
from tests.cdc.capture.world import story, table

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def upsert(one: Story) -> None:
    wanted = connection.features.supports_update_conflicts_with_target
    target: dict[str, Any] = {"unique_fields": ["source_id"]} if wanted else {}
    Story.objects.bulk_create([one], update_conflicts=True, update_fields=["title"], **target)


@pytest.mark.skipif("sqlite" in connection.vendor, reason="SQLite lets one writer in at a time")
def test_a_row_inserted_in_between_is_updated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_conflicts = BulkCreate._conflicting
    inserted: list[Story] = []

    def find_and_insert(self: BulkCreate, *args: Any) -> Any:
        found = find_conflicts(self, *args)
        if not inserted:
            inserted.append(story(source_id="s", title="first"))
            elsewhere(inserted[0].save)
        return found

    monkeypatch.setattr(BulkCreate, "_conflicting", find_and_insert)
    upsert(story(source_id="s", title="second"))

    assert [(event.op, event.row["title"]) for event in events()] == [
        ("c", "first"),
        ("u", "second"),
    ]
    assert replay(events()) == table()


def test_an_unexpected_conflict_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    story(source_id="s").save()
    monkeypatch.setattr(BulkCreate, "_conflicting", lambda *_: {})

    with pytest.raises(IntegrityError):
        upsert(story(source_id="s", title="second"))

    assert [event.op for event in events()] == ["c"]


def test_objects_have_their_keys_on_every_database() -> None:
    rows = [story(source_id=str(n)) for n in range(7)]
    Story.objects.bulk_create(rows, batch_size=3)

    assert [Story.objects.get(pk=row.pk).source_id for row in rows] == [str(n) for n in range(7)]
    assert not any(row._state.adding for row in rows)


def test_a_bulk_create_is_one_transaction() -> None:
    story(source_id="6").save()
    with pytest.raises(IntegrityError):
        Story.objects.bulk_create((story(source_id=str(n)) for n in range(7)), batch_size=2)
    with transaction.atomic():
        Story.objects.bulk_create([story()])
        transaction.set_rollback(True)

    assert [event.op for event in events()] == ["c"]
    assert replay(events()) == table()


def test_the_queryset_s_own_method_is_what_inserts() -> None:
    assert isinstance(Story.objects.all(), CapturedQuerySet)
    assert Story.objects.bulk_create(iter([story()]))[0].pk is not None
