"""The base class: saves and deletes of existing, missing and concurrently changed rows."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Value
from django.db.models.functions import Now, Upper

from cdc.capture import model as captured
from cdc.capture.signals import lock_for_delete
from cdc.errors import Refused
from cdc.registry import registry
from stories.models import Story
from tests.cdc.capture.events import created, events, replay, updated
from tests.cdc.capture.world import story, table, wire
from tests.support.toy.models import Box, Hour, Label, Sample, Ticket, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_model_that_is_not_registered_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_by_model", {})
    one = story()
    one.save()
    one.save()
    Story.objects.update(title="new")
    Story.objects.bulk_create([story()])
    Story.objects.bulk_update([one], ["title"])
    Story.objects.first().delete()  # type: ignore[union-attr]
    Story.objects.all().delete()
    models.Model.save_base(story(), raw=True)

    assert events() == []


def test_other_models_keep_their_fast_delete(django_assert_num_queries: Any) -> None:
    Label.objects.create(text="a")
    box = Box.objects.create(name="a")

    Box.objects.filter(pk=box.pk).delete()

    assert not models.signals.post_delete.has_listeners(Box)
    assert models.signals.post_delete.has_listeners(Story)


def test_a_model_with_select_on_save_is_captured() -> None:
    Label(text="a").save()
    Label(text="a").save()

    row = {"text": "a", "size": 1}
    assert events() == [created(row), updated(row, row)]


def test_positional_arguments_are_django_s_own() -> None:
    one = story()
    with transaction.atomic():
        one.save_base(False, True, False, "default", None)
        one.title = "new"
        one.save_base(False, False, False, None, ["title"])

    assert [event.op for event in events()] == ["c", "u"]


def test_a_save_in_autocommit_ends_its_transaction() -> None:
    story().save()

    assert not connection.in_atomic_block
    assert connection.get_autocommit()


def test_a_row_inserted_again_during_its_delete_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    one = story()
    one.save()
    Story.objects.all().delete()
    key = one.pk

    def insert_again(instance: Story, *args: Any) -> bool:
        found = lock_for_delete(instance, *args)
        story(pk=key).save()  # another writer inserts the row after the lock has found none
        return found

    monkeypatch.setattr(captured, "lock_for_delete", insert_again)

    assert one.delete() == (0, {"stories.Story": 0})
    assert one.pk is None
    assert list(table(Story)) == [key]
    assert [event.op for event in events()] == ["c", "d", "c"]


def test_a_row_that_the_lock_has_not_found_is_not_updated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The event of the update would have no before-image."""
    one = story()
    one.save()
    # Another writer inserts the row after the lock has found none.
    monkeypatch.setattr(captured, "read_image", lambda *_, **__: None)

    with pytest.raises(IntegrityError):
        story(pk=one.pk, title="new").save()

    assert table(Story)[one.pk]["title"] == one.title
    assert [event.op for event in events()] == ["c"]


def test_on_commit_runs_after_the_event() -> None:
    seen: list[int] = []
    with transaction.atomic():
        story().save()
        transaction.on_commit(lambda: seen.append(len(events())))

    assert seen == [1]


def test_the_row_is_what_the_save_left(django_assert_num_queries: Any) -> None:
    one = story(diggs="12", submit_date="2009-06-01 12:30:15.123456+00:00")
    one.save()

    assert events() == [created(wire(one.pk, diggs=12))]
    assert events()[0].after == table()[one.pk]


def test_writing_methods_are_marked_as_in_django() -> None:
    assert not hasattr(Story.objects, "delete")
    methods = [Story.objects.update, Story.objects.all().delete, story().save_base]
    assert [getattr(method, "alters_data", False) for method in methods] == [True] * 3


@pytest.mark.parametrize("key", [-5, -(2**31) - 7, -(2**63), "-9"])
def test_a_negative_key_is_saved_unchanged(key: Any) -> None:
    one = Toy(pk=key, name="bear")
    one.save()

    assert int(one.pk) == int(key)
    Toy.objects.update_or_create(pk=key, defaults={"name": "lion"})
    assert replay(events()) == table(Toy)
    assert list(table(Toy)) == [int(key)]


KEYS: dict[str, Callable[[], Any]] = {
    "text": lambda: Label(text=Upper(Value("a"))),
    "number": lambda: Sample(number=Value(3) + Value(4)),
    "time": lambda: Hour(at=Now()),
    "UUID": lambda: cast("Any", Ticket)(code=Value(UUID(int=9))),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_no_database_returns_is_refused_before_any_statement(kind: str) -> None:
    with transaction.atomic():
        with pytest.raises(Refused, match="set the key"):
            KEYS[kind]().save()
        Label(text="b").save()

    assert [event.row for event in events()] == [{"text": "b", "size": 1}]


@pytest.mark.parametrize("key", [-1, -(2**63), 5])
def test_a_key_that_the_driver_reads_as_unsigned_is_corrected(
    monkeypatch: pytest.MonkeyPatch, key: int
) -> None:
    save_table: Any = models.Model._save_table  # type: ignore[attr-defined]  # not in the stubs

    def unsigned(self: Toy, *args: Any, **options: Any) -> Any:
        """Return the key as an unsigned number, as MySQL's driver does after an insert."""
        saved = save_table(self, *args, **options)
        self.pk %= 2**64
        return saved

    monkeypatch.setattr(models.Model, "_save_table", unsigned)
    one = Toy(pk=key, name="bear")
    one.save()

    assert one.pk == key
    assert [event.row["id"] for event in events()] == list(table(Toy)) == [key]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the column of MySQL is shorter")
def test_the_largest_key_is_its_own() -> None:
    one = Sample(number=2**63 - 1)
    one.save()

    assert one.pk == 2**63 - 1
    assert [event.row["number"] for event in events()] == [2**63 - 1]


@pytest.mark.parametrize("captured_too", [True, False])
def test_the_options_of_a_delete_reach_django(
    monkeypatch: pytest.MonkeyPatch, captured_too: bool
) -> None:
    seen: list[tuple[Any, ...]] = []
    one, other = story(), story()
    one.save()
    other.save()
    if not captured_too:
        monkeypatch.setattr(registry, "_by_model", {})
    delete = models.Model.delete

    def received(instance: models.Model, *options: Any) -> Any:
        seen.append(options)
        return delete(instance, *options)

    monkeypatch.setattr(models.Model, "delete", received)

    one.delete("default", True)
    other.delete(using="default", keep_parents=True)

    assert seen == [("default", True)] * 2
