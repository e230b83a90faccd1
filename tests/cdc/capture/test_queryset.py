"""The queryset handles concurrently changed rows, and otherwise behaves as Django's does."""

from typing import Any

import pytest
from django.db import models

from cdc.capture import queryset
from cdc.capture.images import read_images
from stories.models import Story
from tests.cdc.capture.events import events, forget
from tests.cdc.capture.world import story, table, wire

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_queryset_used_before_sees_its_writes() -> None:
    one = story()
    one.save()
    rows = Story.objects.filter(diggs=10)
    assert len(rows) == 1

    rows.update(title="new")
    assert rows[0].title == "new"
    rows.delete()
    assert len(rows) == 0


@pytest.mark.parametrize("write", ["update", "delete"])
def test_a_row_that_stops_matching_before_its_lock_is_not_written(
    monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    rows = [story(source_id=str(n)) for n in range(3)]
    Story.objects.bulk_create(rows)
    forget()

    def read(*args: Any, lock: bool = False, **options: Any) -> Any:
        if lock:
            # Another transaction changes a row between the query for the keys and the lock.
            changed = Story.objects.filter(pk=rows[1].pk)
            models.QuerySet.update(changed, diggs=99)
        return read_images(*args, lock=lock, **options)

    monkeypatch.setattr(queryset, "read_images", read)
    matching = Story.objects.filter(diggs=10)
    assert (matching.update(title="new") if write == "update" else matching.delete()[0]) == 2

    assert [event.row["id"] for event in events()] == [rows[0].pk, rows[2].pk]
    assert table()[rows[1].pk] == wire(rows[1].pk, idJSON="1", diggs=99)


@pytest.mark.parametrize("prepare", ["select_for_update", "select_related", "prefetch_related"])
def test_a_queryset_may_have_been_prepared(prepare: str) -> None:
    one = story()
    one.save()
    forget()
    rows = getattr(Story.objects.all(), prepare)(
        *["submitted_by"] * (prepare != "select_for_update")
    )

    assert rows.update(title="new") == 1
    assert rows.delete()[0] == 1
    assert [event.op for event in events()] == ["u", "d"]
