"""Decisions about dead letters, on each database."""

import threading
from typing import Any

import orjson
import pytest
from django.db import connections

from cdc.context import acting_as
from cdc.dead_letters.decisions import discard, each_waiting, replay
from cdc.dead_letters.rows import row_of
from cdc.errors import Refused, Rejected
from cdc.models import DeadLetter, OperatorAction, OutboxRecord
from stories.models import Story
from tests.support.letters import letter, letter_about
from users.models import User

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def story() -> Story:
    story = Story.objects.create(title="as it is", href="http://example.org/")
    OutboxRecord.objects.all().delete()
    return story


def sent() -> list[tuple[str, Any, Any]]:
    """Return the operation, the key and the title of each outbox row."""
    return [
        (
            row.op,
            orjson.loads(row.key)["id"],
            orjson.loads(bytes(row.after))["title"] if row.after else None,
        )
        for row in OutboxRecord.objects.all()
    ]


def test_a_replay_sends_the_current_row_and_is_logged(story: Story) -> None:
    about = letter_about(story.pk)

    with acting_as("7"):
        outcome = replay([about], "the column is wider now", using="default")

    assert (outcome.resolved, outcome.refused) == ([about.pk], [])
    assert sent() == [("r", story.pk, "as it is")]
    about.refresh_from_db()
    assert (about.status, about.resolved_by, about.why) == (
        *("replayed", "7", "the column is wider now"),
    )
    assert about.resolved_at is not None
    (action,) = OperatorAction.objects.all()
    assert (action.who, action.what, action.why) == ("7", "replay", "the column is wider now")
    assert action.target.startswith(f"dead letter {about.pk}: story-events 3:0")


def test_a_replay_of_a_deleted_row_sends_a_delete() -> None:
    replay([letter_about(4711)], "", using="default")

    assert sent() == [("d", 4711, None)]


def test_a_discard_sends_nothing(story: Story) -> None:
    about = letter_about(story.pk)

    assert discard([about], "test data", using="default").resolved == [about.pk]

    assert sent() == []
    assert OperatorAction.objects.get().what == "discard"
    assert list(each_waiting(using="default")) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"{}"),
        (b"\xff", b"{}"),
        (b"[1]", b"{}"),
        (b'{"id":1,"b":2}', b"{}"),
        (b'{"id":"x"}', b'{"source":{"table":"stories_story"}}'),
        (b'{"id":true}', b'{"source":{"table":"stories_story"}}'),
        (b'{"id":18446744073709551615}', b'{"source":{"table":"stories_story"}}'),
        (b'{"title":"x"}', b'{"source":{"table":"stories_story"}}'),
        (b'{"id":1}', b'{"source":{"table":"users_user"}}'),
        (b'{"nobody":1}', b"?"),
    ],
)
def test_a_letter_without_a_known_row_can_only_be_discarded(
    key: bytes | None, value: bytes
) -> None:
    stray = letter(key, value)

    with pytest.raises(Rejected):
        row_of(stray)
    outcome = replay([stray], "", using="default")
    assert outcome.resolved == []
    assert outcome.refused[0].startswith(f"Dead letter {stray.pk} was not replayed. The ")
    assert not OperatorAction.objects.exists()
    stray.refresh_from_db()
    assert stray.status == "waiting"

    assert discard([stray], "", using="default").resolved == [stray.pk]


def test_a_letter_is_decided_once(story: Story) -> None:
    about = letter_about(story.pk)
    stale = DeadLetter.objects.get(pk=about.pk)
    ann = User.objects.create_user("ann@people.example", "correct-horse-7", name="Ann")
    with acting_as(str(ann.pk)):
        replay([about], "", using="default")

    again = discard([DeadLetter.objects.get(pk=about.pk)], "", using="default")
    late = discard([stale], "", using="default")

    assert "The dead letter was already replayed by ann@people.example." in again.decided[0]
    assert late.decided == [
        f"Dead letter {about.pk} was not discarded. Another decision was recorded in the meantime."
    ]
    assert OperatorAction.objects.count() == 1


def test_of_concurrent_decisions_one_succeeds(story: Story) -> None:
    about = letter_about(story.pk)
    resolved: list[int] = []
    barrier = threading.Barrier(4)

    def decide() -> None:
        barrier.wait()
        resolved.extend(discard([about], "", using="default").resolved)
        connections["default"].close()

    threads = [threading.Thread(target=decide) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert resolved == [about.pk]
    assert OperatorAction.objects.count() == 1


def test_the_operator_log_is_append_only() -> None:
    discard([letter()], "first", using="default")
    action = OperatorAction.objects.get()
    action.why = "second"

    for change in (
        action.save,
        action.delete,
        OperatorAction.objects.all().delete,
        lambda: OperatorAction.objects.update(why="second"),
        lambda: OperatorAction.objects.bulk_update([action], ["why"]),
        lambda: OperatorAction.objects.bulk_create([action], ignore_conflicts=True),
        lambda: OperatorAction.objects.bulk_create(
            [action], update_conflicts=True, update_fields=["why"]
        ),
        lambda: OperatorAction.objects.bulk_create([action], None, False, True, ["why"]),
    ):
        with pytest.raises(Refused):
            change()

    assert OperatorAction.objects.get().why == "first"
