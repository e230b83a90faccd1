"""Repeated statements of a save change the same rows as the save."""

import pytest
from django.db import connection

from cdc.models import OutboxRecord
from stories.models import Story
from tests.bench.databases import capturing
from tests.bench.stages.statements import recording, repeat
from tests.bench.stories import marks, new_story

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    # The statements are repeated with mysqlclient, because Django's own time must not count.
    pytest.mark.skipif(connection.vendor == "sqlite", reason="uses the API of mysqlclient"),
]


def test_the_statements_of_a_captured_save_change_the_row_and_the_outbox_again() -> None:
    with capturing("bench-statements"):
        story = new_story()
        story.save()
        story.diggs = next(marks)
        with recording() as statements:
            story.save()
    with capturing(None):
        Story.objects.update(diggs=0)
    rows = OutboxRecord.objects.count()

    repeat(statements)

    assert len(statements) == 4
    assert OutboxRecord.objects.count() == rows + 1
    assert Story.objects.get().diggs == story.diggs


def test_the_statement_of_a_plain_save_changes_the_row_again() -> None:
    with capturing(None):
        story = new_story()
        story.save()
        story.diggs = next(marks)
        with recording() as statements:
            story.save()
        Story.objects.update(diggs=0)

        repeat(statements)

    assert Story.objects.get().diggs == story.diggs
