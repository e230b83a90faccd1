"""State between the signals of one save or delete."""

from cdc.capture.changes import Change
from cdc.capture.instance_state import (
    PendingDeletes,
    pending_deletes_of,
    pop_image_before,
    pop_pending_deletes,
    push_image_before,
    set_pending_deletes,
    update_pending_deletes,
)
from cdc.registry import Capture, registry
from stories.models import Story
from tests.support.toy.models import Toy

OLD, NEW = {"id": 1, "title": "old"}, {"id": 1, "title": "new"}


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

    assert pending_deletes_of(one, Story, 1) is pending
    assert pending_deletes_of(one, Story, 2) is None
    assert pending_deletes_of(one, Toy, 1) is None
    assert pop_pending_deletes(one) is pending
    assert pop_pending_deletes(one) is None


def test_a_change_updates_the_pending_delete_of_its_row_and_database() -> None:
    here = PendingDeletes(captured(), {1: OLD}, using="default")
    there = PendingDeletes(captured(), {1: OLD}, using="other")

    update_pending_deletes(captured(), [Change(before=OLD, after=NEW)], using="default")

    assert (here.images, there.images) == ({1: NEW}, {1: OLD})
