"""Stored values that no message can contain are not published, and can be corrected and deleted.

SQL or another program has stored such a value. A captured write that would publish the value is
refused. A captured write that corrects the value or deletes its row is executed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from cdc.capture.images import read_image, read_images
from cdc.capture.resend import send_again
from cdc.errors import Refused
from cdc.models import DeadLetter
from cdc.registry import Capture, registry
from cdc.testing.feed import MemoryFeed
from tests.cdc.capture.events import events, forget, records, replay
from tests.cdc.capture.world import table
from tests.support.toy.models import Label, Sample

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@dataclass(frozen=True, slots=True)
class Odd:
    """A column, an unpublishable value of it as an SQL literal, and a valid replacement."""

    column: str
    literal: str
    good: Any


# MySQL treats a backslash as an escape character, but SQLite does not.
_NUL = r"\u0000" if connection.vendor == "sqlite" else r"\\u0000"
BOTH = {"NUL in a JSON key": Odd("data", f"""'{{"a{_NUL}b": 1}}'""", {"a": 1})}
MYSQL = {
    "a boolean of another number": Odd("shiny", "2", True),
    "a zero date": Odd("day", "'0000-00-00'", "2010-03-17"),
    "a date without a day": Odd("day", "'2010-03-00'", "2010-03-17"),
    "a zero time": Odd("seen", "'0000-00-00 00:00:00'", "2010-03-17T00:00:00Z"),
    "a time over 24 hours": Odd("at", "'25:00:00'", "23:00:00"),
    "the longest time": Odd("at", "'838:59:59'", "23:00:00"),
    "a negative time": Odd("at", "'-01:00:00'", "23:00:00"),
    "an integer over 63 bits": Odd("count", str(2**63 + 5), 7),
}
SQLITE = {
    "a zero date": Odd("day", "'0000-00-00'", "2010-03-17"),
    "text as a date": Odd("day", "'some day'", "2010-03-17"),
    "a year of five digits": Odd("day", "'10000-01-01'", "2010-03-17"),
    "text as a time": Odd("seen", "'now'", "2010-03-17T00:00:00Z"),
    "a time over 24 hours": Odd("at", "'25:00:00'", "23:00:00"),
    "a leap second": Odd("at", "'23:59:60'", "23:00:00"),
    "text as a number": Odd("count", "'many'", 7),
    "a fraction as an integer": Odd("count", "1.5", 7),
    "an integer over 64 bits": Odd("count", "1e30", 7),
    "Infinity": Odd("weight", "9e999", 0.25),
    "text as a float": Odd("weight", "'heavy'", 0.25),
    "text as a decimal": Odd("price", "'much'", "2.50"),
    "a decimal out of range": Odd("price", "1e30", "2.50"),
    "text as a UUID": Odd("code", "'no code'", "12345678123456781234567812345679"),
    "bytes as text": Odd("words", "X'ff80'", "b"),
    "text that is not UTF-8": Odd("words", "CAST(X'ff80' AS TEXT)", "b"),
    "Infinity in JSON": Odd("data", """'{"n": 1e999}'""", {"a": 1}),
    "a long integer in JSON": Odd("data", f"""'{{"n": {2**64}}}'""", {"a": 1}),
    "an integer of 5,000 digits in JSON": Odd("data", f"""'{{"n": {"9" * 5000}}}'""", {"a": 1}),
    "deep JSON": Odd("data", f"'{'[' * 90 + ']' * 90}'", {"a": 1}),
}
ODD = {**BOTH, **(SQLITE if connection.vendor == "sqlite" else MYSQL)}
TYPICAL = ["a zero date", "a time over 24 hours", "NUL in a JSON key"]
"""One value that is read as null, one that cannot be read, and one that JSON cannot contain."""


@pytest.fixture
def feed() -> Iterator[MemoryFeed]:
    """Yield a feed that has published rows 1 and 2. Check that no dead letter was written."""
    Sample.objects.bulk_create([Sample(number=1), Sample(number=2)])
    feed = MemoryFeed()
    feed.run()
    yield feed
    feed.run()
    assert not DeadLetter.objects.exists()


def plant(odd: Odd) -> None:
    """Store the value in row 1 by SQL, so that it is not captured."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE toy_sample SET {odd.column} = {odd.literal} WHERE number = 1")


def captured() -> Capture:
    found = registry.find(Sample)
    assert found is not None
    return found


REPAIRS: dict[str, Callable[[Odd], Any]] = {
    "update": lambda odd: Sample.objects.filter(number=1).update(**{odd.column: odd.good}),
    "update of all": lambda odd: Sample.objects.update(**{odd.column: odd.good}),
    "save": lambda odd: Sample(number=1, **{odd.column: odd.good}).save(),
    "save of one column": lambda odd: Sample(number=1, **{odd.column: odd.good}).save(
        update_fields=[odd.column]
    ),
    "bulk_update": lambda odd: Sample.objects.bulk_update(
        [Sample(number=1, **{odd.column: odd.good})], [odd.column]
    ),
    "update_conflicts": lambda odd: Sample.objects.bulk_create(
        [Sample(number=1, **{odd.column: odd.good})],
        update_conflicts=True,
        update_fields=[odd.column],
        unique_fields=["number"]
        if connection.features.supports_update_conflicts_with_target
        else None,
    ),
}


DELETES: dict[str, Callable[[], Any]] = {
    "delete": lambda: Sample(number=1).delete(),
    "queryset": lambda: Sample.objects.filter(number=1).delete(),
    "all": lambda: Sample.objects.all().delete(),
}


WRITES: dict[str, Callable[[Odd], Any]] = {
    "update": lambda _: Sample.objects.filter(number=1).update(place=5),
    "update of all": lambda _: Sample.objects.update(place=5),
    "save of another column": lambda _: Sample(number=1, place=5).save(update_fields=["place"]),
    "an expression": lambda odd: Sample.objects.filter(number=2).update(
        **{odd.column: RawSQL(odd.literal, [])}  # noqa: S611 -- a literal of this file
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_the_value_is_never_published_and_never_in_the_way(feed: MemoryFeed, what: str) -> None:
    odd = ODD[what]
    plant(odd)
    for write in WRITES.values():
        with pytest.raises(Refused, match=f"Column {odd.column} .*: "):
            write(odd)
    assert events() == []
    assert set(Sample.objects.values_list("place", flat=True)) == {1}

    REPAIRS["update"](odd)
    _assert_only_event("u")
    plant(odd)
    DELETES["queryset"]()
    _assert_only_event("d")


@pytest.mark.parametrize("what", TYPICAL)
@pytest.mark.parametrize("repair", REPAIRS)
def test_each_write_can_correct_the_value(feed: MemoryFeed, repair: str, what: str) -> None:
    plant(ODD[what])

    REPAIRS[repair](ODD[what])

    _assert_only_event("u")


@pytest.mark.parametrize("what", TYPICAL)
@pytest.mark.parametrize("delete", DELETES)
def test_each_delete_removes_the_row(feed: MemoryFeed, delete: str, what: str) -> None:
    plant(ODD[what])

    DELETES[delete]()

    _assert_only_event("d")


def _assert_only_event(operation: str) -> None:
    """Assert that row 1 has one event with the content of the table. Empty the outbox."""
    (event,) = [event for event in events() if event.row["number"] == 1]
    after = None if operation == "d" else table(Sample)[1]
    assert (event.op, event.before, event.after) == (operation, {"number": 1}, after)
    assert Sample.objects.filter(number=1).exists() is (operation != "d")
    MemoryFeed().run()


@pytest.mark.parametrize("what", TYPICAL)
def test_the_other_rows_are_read_and_sent(
    feed: MemoryFeed, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    Sample.objects.update(place=2)
    waiting = records()
    forget()
    plant(ODD[what])
    many = read_images(captured(), [1, 2], using="default")

    assert many == {key: read_image(captured(), key, using="default") for key in (1, 2)}
    with transaction.atomic():
        assert many == read_images(captured(), [1, 2], using="default", lock=True)
    send_again(waiting, using="default")

    assert [(event.op, event.row["number"]) for event in events()] == [("r", 2)]
    assert "relay.not_sent_again" in caplog.text


def test_an_error_of_another_kind_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="expected a number"):
        read_images(captured(), ["x"], using="default")


LONG = "\x01" * 80
REMOVALS: dict[str, Callable[[], Any]] = {
    "delete": lambda: Label(text=LONG).delete(),
    "delete of what was read": lambda: Label.objects.get(text=LONG).delete(),
    "queryset": lambda: Label.objects.filter(text=LONG).delete(),
    "with another": lambda: Label.objects.filter(text__in=[LONG, "b"]).delete(),
    "new key": lambda: Label.objects.filter(text=LONG).update(text="c"),
}


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_row_whose_key_no_message_can_hold_can_be_removed(removal: str) -> None:
    Label.objects.create(text="b")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO toy_label (text, size) VALUES (%s, 1)", [LONG])

    REMOVALS[removal]()

    assert not Label.objects.filter(text=LONG).exists()
    assert replay(events(), "text") == table(Label)
