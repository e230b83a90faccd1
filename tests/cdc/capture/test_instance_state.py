"""The state that capture keeps between the signals of one save or delete."""

from cdc.capture.changes import Change
from cdc.capture.images import Image, Images
from cdc.capture.instance_state import (
    PendingDeletes,
    pending_deletes_of,
    pop_image_before,
    pop_pending_deletes,
    push_image_before,
    set_pending_deletes,
    since_last_event,
    update_pending_deletes,
)
from cdc.registry import Capture, registry
from stories.models import Story
from tests.support.toy.models import Toy

OLD: Image = {"id": 1, "title": "old"}
NEW: Image = {"id": 1, "title": "new"}


def captured() -> Capture:
    found = registry.find(Story)
    assert found is not None
    return found


def test_nested_saves_have_an_image_each() -> None:
    one = Story()
    push_image_before(one, OLD)
    push_image_before(one, NEW)

    assert [pop_image_before(one), pop_image_before(one)] == [NEW, OLD]


def test_pending_deletes_are_found_for_their_rows_only() -> None:
    one = Story(pk=1)
    pending = PendingDeletes(captured(), {1: OLD}, using="default")
    set_pending_deletes(one, pending)

    assert pending_deletes_of(one, Story, 1, using="default") is pending
    assert pending_deletes_of(one, Story, 2, using="default") is None
    assert pending_deletes_of(one, Toy, 1, using="default") is None
    assert pop_pending_deletes(one) is pending
    assert pop_pending_deletes(one) is None


def taken(pending: PendingDeletes, *kept: int) -> Images:
    pending.expect(Story, [1])
    return pending.take(Story, lambda ids: set(kept) & set(ids))


def change(using: str, outbox_id: int, after: Image | None = NEW) -> None:
    changes = [Change(before=OLD, after=after)]
    update_pending_deletes(captured(), changes, outbox_id, using=using)


def test_a_change_updates_the_pending_delete_of_its_row_and_database() -> None:
    here = PendingDeletes(captured(), {1: OLD}, using="default")
    there = PendingDeletes(captured(), {1: OLD}, using="other")
    change("default", 5)

    assert (taken(here, 5), taken(there, 5)) == ({1: NEW}, {1: OLD})
    assert taken(here, 5) == {}


def test_all_pending_deletes_of_a_row_are_updated() -> None:
    outer, inner = (PendingDeletes(captured(), {1: OLD}, using="default") for _ in "ab")
    change("default", 5, None)

    assert (taken(outer, 5), taken(inner, 5)) == ({}, {})


def test_a_change_that_was_rolled_back_is_ignored() -> None:
    gone, reused = (PendingDeletes(captured(), {1: OLD}, using="default") for _ in "ab")
    change("default", 5, None)
    assert taken(gone) == {1: OLD}

    # After a rollback, SQLite assigns the same id again.
    other = {"id": 2, "title": "other"}
    update_pending_deletes(captured(), [Change(before=None, after=other)], 5, using="default")
    assert taken(reused, 5) == {1: OLD}


def test_rows_are_taken_with_their_own_sender() -> None:
    pending = PendingDeletes(captured(), {1: OLD, 2: NEW}, using="default")
    pending.expect(Story, [1])
    pending.expect(Toy, [2])

    assert list(pending.take(Story, set)) == [1]
    assert list(pending.take(Toy, set)) == [2]


def test_a_change_begins_where_the_last_event_ended() -> None:
    pending = PendingDeletes(captured(), {1: OLD}, using="default")
    nulled = {"id": 1, "title": None}
    changes = [Change(before=nulled, after=NEW), Change(before=None, after={"id": 2})]

    found = since_last_event(captured(), changes, set, using="default")

    assert pending.images == {1: OLD}
    assert found == [Change(before=OLD, after=NEW), changes[1]]
