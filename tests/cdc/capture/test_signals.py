"""Signal receivers record changes in the outbox."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete, pre_save
from django.test.utils import isolate_apps

from cdc.api import CapturedModel
from cdc.capture.changes import Change
from cdc.capture.images import read_images
from cdc.capture.instance_state import Recorded, last_recorded
from cdc.capture.signals import record, refuse_outside_transaction
from cdc.errors import Refused
from cdc.registry import Capture, registry
from stories.models import Story
from tests.cdc.capture.events import events, forget, records
from tests.cdc.capture.world import FREE, story
from tests.support.toy.models import Box, Label, Toy


def captured() -> Capture:
    found = registry.find(Story)
    assert found is not None
    return found


@pytest.mark.django_db(transaction=True)
def test_nothing_is_recorded_outside_a_transaction() -> None:
    with pytest.raises(Refused, match="A Story is written outside a transaction"):
        refuse_outside_transaction(Story, "default")
    with pytest.raises(Refused):
        record(captured(), [], using="default")
    with transaction.atomic():
        assert record(captured(), [], using="default") == 0


@pytest.mark.django_db(transaction=True)
def test_the_lowest_id_of_the_events_is_returned() -> None:
    Story.objects.bulk_create([story(), story(), story()])
    images = read_images(captured(), Story.objects.values_list("pk", flat=True), using="default")
    forget()

    with transaction.atomic():
        found = [Change(before=None, after=image, read=True) for image in images.values()]
        lowest = record(captured(), iter(found), using="default")

    assert [one.id for one in records()] == [lowest, lowest + 1, lowest + 2]
    assert [event.op for event in events()] == ["r", "r", "r"]


@pytest.mark.django_db(transaction=True)
def test_an_error_leaves_no_events() -> None:
    with pytest.raises(Refused):
        Story.objects.bulk_create([story(), story(user={"n": 2**63})])
    assert events() == []


@pytest.mark.parametrize("signal", [pre_save, post_save, pre_delete, post_delete])
def test_only_captured_models_have_receivers(signal: ModelSignal) -> None:
    assert signal.has_listeners(Story)
    assert not signal.has_listeners(Box)


SIGNALS = [pre_save, post_save, pre_delete, post_delete]
_KEPT: list[type[CapturedModel]] = []
"""The classes that tests create. All are kept, because signals identify a class by its id."""


@isolate_apps("tests.support.toy")
def test_a_model_is_connected_when_its_class_is_made() -> None:
    class Fresh(CapturedModel):
        class Meta(CapturedModel.Meta):
            app_label = "toy"

        def __str__(self) -> str:
            return "fresh"

    _KEPT.append(Fresh)
    senders = [[sender for (_, sender), *_ in signal.receivers] for signal in SIGNALS]
    assert [found.count(id(Fresh)) for found in senders] == [1] * len(SIGNALS)
    assert all(signal.has_listeners(Fresh) for signal in SIGNALS)
    assert not any(signal.has_listeners(Box) for signal in SIGNALS)


def last_event() -> int:
    return records()[-1].id


@pytest.mark.django_db(transaction=True)
def test_an_instance_knows_its_last_change() -> None:
    one = story()
    assert last_recorded(one) is None
    for _ in "ab":
        one.save()
        assert last_recorded(one) == Recorded(key=one.pk, outbox_id=last_event())
    key = one.pk
    one.delete()

    assert last_recorded(one) == Recorded(key=key, outbox_id=last_event())
    assert [event.op for event in events()] == ["c", "u", "d"]


@pytest.mark.django_db(transaction=True)
def test_an_instance_with_a_key_as_text_knows_the_key_of_its_row() -> None:
    one = story(pk=str(FREE))
    one.save()

    assert last_recorded(one) == Recorded(key=FREE, outbox_id=last_event())


@pytest.mark.django_db(transaction=True)
def test_each_row_of_a_delete_knows_the_first_of_its_events() -> None:
    Toy.objects.bulk_create([Toy(name=name) for name in "abc"])
    keys = list(Toy.objects.values_list("pk", flat=True))
    forget()
    seen: list[Recorded | None] = []

    def receive(instance: Toy, **_: object) -> None:
        seen.append(last_recorded(instance))

    post_delete.connect(receive, sender=Toy)
    try:
        Toy.objects.all().delete()
    finally:
        post_delete.disconnect(receive, sender=Toy)

    first = records()[0].id
    assert sorted(seen, key=lambda one: one.key if one else 0) == [
        Recorded(key=key, outbox_id=first) for key in keys
    ]


@pytest.mark.django_db(transaction=True)
def test_a_cascaded_delete_of_a_row_that_is_gone_has_no_event() -> None:
    box = Box.objects.create(name="a")
    toys = [Toy.objects.create(name=name, box=box) for name in "ab"]
    forget()

    def delete_first(instance: Toy, **_: object) -> None:
        if instance.pk == toys[1].pk:
            Toy.objects.filter(pk=toys[0].pk).delete()

    pre_delete.connect(delete_first, sender=Toy)
    try:
        box.delete()
    finally:
        pre_delete.disconnect(delete_first, sender=Toy)

    assert sorted(event.row["toyName"] for event in events()) == ["a", "b"]
    assert [event.op for event in events()] == ["d", "d"]


@pytest.mark.django_db(transaction=True)
def test_a_signal_of_a_delete_that_did_not_happen_is_ignored() -> None:
    """Libraries that only hide rows instead of deleting them send this signal."""
    one = story()
    one.save()
    forget()
    post_delete.send(sender=Story, instance=one, using="default", origin=one)

    assert events() == []
    assert Story.objects.filter(pk=one.pk).exists()


@pytest.fixture
def trimmed(transactional_db: None) -> Iterator[None]:
    """A database that changes a key when it stores the key, as some column types do."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER trimmed AFTER INSERT ON toy_label "
            "BEGIN UPDATE toy_label SET text = trim(text) WHERE text = new.text; END"
        )
        yield
        cursor.execute("DROP TRIGGER trimmed")


WRITES: dict[str, Callable[[], Any]] = {
    "The saved Label cannot be found by its key ' b '": lambda: Label(text=" b ").save(),
    "Only 1 of 2 new rows of toy_label can be found": lambda: Label.objects.bulk_create(
        [Label(text="a"), Label(text=" b ")]
    ),
    "Only 0 of 1 new rows of toy_label can be found": lambda: Label.objects.bulk_create(
        [Label(text=" b ")], ignore_conflicts=True
    ),
}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the trigger is SQLite's")
@pytest.mark.parametrize("sentence", WRITES)
def test_a_key_that_the_database_changes_is_refused(trimmed: None, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        WRITES[sentence]()

    assert (events(), Label.objects.count()) == ([], 0)
