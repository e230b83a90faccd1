"""The state that capture keeps between the signals of one save or delete."""

import gc
from typing import Any

from django.db.models import Model

from cdc.capture.changes import Change
from cdc.capture.images import Image, Images
from cdc.capture.instance_state import (
    PendingDeletes,
    Recorded,
    last_recorded,
    pending_deletes_of,
    pop_image_before,
    pop_pending_deletes,
    pop_unrecorded,
    push_image_before,
    set_pending_deletes,
    set_recorded,
    set_unrecorded,
    since_last_event,
    update_pending_deletes,
)
from cdc.registry import Capture, registry
from stories.models import Story
from tests.support.toy.models import Toy

OLD: Image = {"id": 1, "title": "old"}
NEW: Image = {"id": 1, "title": "new"}


def captured(model: type[Model] = Story) -> Capture:
    found = registry.find(model)
    assert found is not None
    return found


def test_nested_saves_have_an_image_each() -> None:
    one = Story()
    push_image_before(one, OLD)
    push_image_before(one, NEW)

    assert [pop_image_before(one), pop_image_before(one)] == [NEW, OLD]


def test_pending_deletes_are_found_for_their_model_only() -> None:
    one = Story(pk=1)
    pending = PendingDeletes(captured(), {1: OLD}, using="default")
    set_pending_deletes(one, pending)

    assert pending_deletes_of(one, captured(), using="default") is pending
    assert pending_deletes_of(one, captured(Toy), using="default").images == {}
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


def test_an_instance_has_no_state_before_its_first_write() -> None:
    one = Story()
    assert last_recorded(one) is None
    assert pending_deletes_of(one, captured(), using="default").images == {}
    assert not pop_unrecorded(one)


def test_a_save_is_unrecorded_until_its_event_is() -> None:
    one = Story()
    set_unrecorded(one)
    assert (pop_unrecorded(one), pop_unrecorded(one)) == (True, False)

    set_unrecorded(one)
    set_recorded(one, Recorded(key=1, outbox_id=7))
    assert last_recorded(one) == Recorded(key=1, outbox_id=7)
    assert not pop_unrecorded(one)


def test_rows_are_expected_in_several_parts() -> None:
    pending = PendingDeletes(captured(), {1: OLD, 2: NEW, 3: OLD}, using="default")
    pending.expect(Story, [1])
    pending.expect(Story, [3, 4])

    assert pending.outbox_id == 0
    assert pending.take(Story, set) == {1: OLD, 3: OLD}
    assert pending.images == {2: NEW}
    assert pending.take(Toy, set) == {}


def test_the_last_of_several_changes_counts() -> None:
    pending = PendingDeletes(captured(), {1: OLD, 2: OLD}, using="default")
    newest, gone = {"id": 1, "title": "newest"}, {2: None}
    for outbox_id, after in ((5, NEW), (6, newest)):
        change("default", outbox_id, after)
    update_pending_deletes(
        captured(), [Change(before={**OLD, "id": 2}, after=None)], 7, using="default"
    )

    def existing(*kept: int) -> Any:
        return lambda ids: {one for one in ids if one in kept}

    assert pending.current([1, 2, 3], existing(5, 6, 7)) == {1: newest, **gone}
    assert pending.current([1, 2], existing(5)) == {1: NEW, 2: OLD}
    assert pending.current([2], existing(5)) == {2: OLD}
    assert pending.current([], existing(5)) == {}


def test_changes_of_one_statement_are_all_kept() -> None:
    pending = PendingDeletes(captured(), {1: OLD, 2: OLD}, using="default")
    first = Change(before=OLD, after=NEW)
    second = Change(before={**OLD, "id": 2}, after={**NEW, "id": 2})
    update_pending_deletes(captured(), [first, second], 5, using="default")

    assert pending.current([1, 2], set) == {1: NEW, 2: {**NEW, "id": 2}}


def test_an_id_reused_after_a_rollback_replaces_the_earlier_change() -> None:
    pending = PendingDeletes(captured(), {1: OLD, 2: OLD}, using="default")
    change("default", 5, None)
    change("default", 6, None)
    second = Change(before={**OLD, "id": 2}, after={**NEW, "id": 2})
    update_pending_deletes(captured(), [second], 6, using="default")
    assert pending.current([1, 2], set) == {1: None, 2: {**NEW, "id": 2}}

    update_pending_deletes(captured(), [second], 5, using="default")
    assert pending.current([1, 2], set) == {1: OLD, 2: {**NEW, "id": 2}}


def test_changes_of_another_table_are_ignored() -> None:
    toys = registry.find(Toy)
    assert toys is not None
    pending = PendingDeletes(captured(), {1: OLD}, using="default")
    update_pending_deletes(toys, [Change(before=OLD, after=None)], 5, using="default")

    assert pending.current([1], set) == {1: OLD}
    found = since_last_event(toys, [Change(before=NEW, after=None)], set, using="default")
    assert found == [Change(before=NEW, after=None)]


def test_a_change_begins_with_its_last_event_on_this_database_only() -> None:
    there = PendingDeletes(captured(), {1: OLD}, using="other")
    other = Change(before={"id": 2, "title": "b"}, after={"id": 2, "title": "c"})
    changes = [Change(before=NEW, after=None), other]

    assert since_last_event(captured(), iter(changes), set, using="default") == changes
    assert since_last_event(captured(), iter(changes), set, using="other") == [
        Change(before=OLD, after=None),
        other,
    ]
    assert there.images == {1: OLD}


def test_a_row_that_a_receiver_deleted_and_recreated_keeps_its_own_image() -> None:
    pending = PendingDeletes(captured(), {1: OLD}, using="default")
    change("default", 5, None)
    again = Change(before=NEW, after=OLD)

    assert since_last_event(captured(), [again], set, using="default") == [again]
    assert pending.images == {1: OLD}


def test_pending_deletes_end_with_their_holder() -> None:
    pending = PendingDeletes(captured(), {1: OLD}, using="default")
    del pending
    gc.collect()

    found = since_last_event(captured(), [Change(before=NEW, after=None)], set, using="default")
    assert found == [Change(before=NEW, after=None)]


def test_a_queryset_and_an_instance_carry_pending_deletes() -> None:
    rows = Story.objects.all()
    pending = PendingDeletes(captured(), {1: OLD}, using="default")
    set_pending_deletes(rows, pending)

    assert pending_deletes_of(rows, captured(), using="default") is pending
    assert pop_pending_deletes(Story()) is None
