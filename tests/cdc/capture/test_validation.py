"""Validation reports what a save would refuse, at a field that the form shows."""

from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Lower

from cdc.capture.changes import problems_of
from cdc.errors import Refused
from cdc.registry import Capture, registry
from cdc.wire.message import encode_row
from stories.models import Story
from tests.cdc.capture.world import FREE, story
from tests.support.toy.models import Label, Locker, Toy

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]
LIMIT = 20_000


@pytest.fixture(autouse=True)
def _limit(settings: Any) -> None:
    settings.CDC = replace(settings.CDC, max_event_bytes=LIMIT)


def captured(model: Any = Story) -> Capture:
    found = registry.find(model)
    assert found is not None
    return found


def problems(one: Any) -> dict[str, str]:
    return problems_of(captured(type(one)), one, using="default")


def errors(one: Any, **options: Any) -> dict[str, list[str]]:
    try:
        one.clean_fields(**options)
    except ValidationError as error:
        return error.message_dict
    return {}


def test_a_row_that_an_event_can_hold_has_no_problem() -> None:
    assert problems(story()) == {}
    assert errors(story()) == {}


def test_each_value_that_no_event_can_hold_is_named() -> None:
    one = story(user={"n": 2**63}, shorturl=[float("nan")], title="a\ud800")

    found = problems(one)

    assert list(found) == ["title", "user", "shorturl"]
    assert "Column user " in found["user"]
    assert "64 bits" in found["user"]
    assert "no such number" in found["shorturl"]
    assert "surrogate" in found["title"]
    del found["title"]
    one.title = "a"
    assert errors(one) == {name: [f"Not saved. {text}"] for name, text in found.items()}


def test_a_problem_of_a_field_that_the_form_lacks_is_the_form_s() -> None:
    one = story(user={"n": 2**63}, shorturl=[float("nan")])
    found = problems(one)

    assert errors(one, exclude=["shorturl"]) == {
        "user": [f"Not saved. {found['user']}"],
        NON_FIELD_ERRORS: [f"Not saved. {found['shorturl']}"],
    }
    # The form shows one problem; the next appears once this one is corrected.
    assert errors(one, exclude=["user", "shorturl"]) == {
        NON_FIELD_ERRORS: [f"Not saved. {found['user']}"]
    }


def test_django_s_own_errors_come_first() -> None:
    assert "choice" in errors(story(status="new"))["status"][0]
    assert "__all__" not in errors(story(status="new", user={"n": 2**63}))
    assert errors(story(status="new"), exclude=["status"]) == {}


def test_a_column_is_named_by_its_field() -> None:
    found = problems(Toy(name="\ud800", box_id=2**63))

    assert set(found) == {"name", "box_id"}
    assert "Column toyName " in found["name"]
    toy = Toy(name="a", box_id=2**63)
    others = [field.name for field in Toy._meta.concrete_fields if field.name != "name"]
    assert errors(toy, exclude=others) == {
        NON_FIELD_ERRORS: [f"Not saved. {problems(toy)['box_id']}"]
    }


@pytest.mark.parametrize("value", [Lower(Value("A")), F("title")])
def test_an_expression_is_left_to_the_save(value: Any) -> None:
    assert problems(story(title=value)) == {}


def test_an_object_whose_text_no_event_can_hold_is_left_to_the_save() -> None:
    class Odd:
        def __str__(self) -> str:
            return "\ud800"

    assert problems(story(title=Odd())) == {}


def test_the_longest_column_is_named_with_what_it_is_over() -> None:
    one = story(description="x" * LIMIT, title="t" * 300)
    found = problems(one)

    assert list(found) == ["description"]
    total, excess = _numbers(found["description"])
    assert total == LIMIT + excess
    assert f"MAX_EVENT_BYTES is {LIMIT}: shorten the row by {excess} bytes." in found["description"]
    one.description = one.description[:-excess]
    assert problems(one) == {}
    one.description += "x"
    assert _numbers(problems(one)["description"]) == (LIMIT + 1, 1)


def _numbers(sentence: str) -> tuple[int, int]:
    """Return the size of the row's event and its excess over the limit, both in bytes."""
    total = int(sentence.partition("The row's event has ")[2].split()[0])
    return total, int(sentence.partition("shorten the row by ")[2].split()[0])


def test_a_form_that_is_accepted_can_be_saved() -> None:
    """The key of a new row is not known yet, so validation assumes the longest key."""
    one = story(description="x" * LIMIT)
    one.description = one.description[: -_numbers(problems(one)["description"])[1]]
    one.clean_fields()
    one.pk = FREE
    one.save()


def test_a_key_of_its_own_counts_as_it_is() -> None:
    new, small = story(description="x" * LIMIT), story(description="x" * LIMIT, pk=1)

    digits = _numbers(problems(new)["description"])[1] - _numbers(problems(small)["description"])[1]

    assert digits > 0


def test_a_row_over_the_limit_may_stay_as_long_as_it_is(settings: Any) -> None:
    settings.CDC = replace(settings.CDC, max_event_bytes=100_000)
    one = story(description="x" * 60_000)
    one.save()
    settings.CDC = replace(settings.CDC, max_event_bytes=LIMIT)

    one.title, one.user = "t" * 200, {"name": "x" * 900}
    assert problems(one) == {}
    one.description = "y" * 60_000
    assert problems(one) == {}
    one.description = "y" * 60_001
    assert list(problems(one)) == ["description"]
    one.description, one.user = "y" * 60_000, {"name": "x" * 1_200}
    assert list(problems(one)) == ["description"]
    one.pk = FREE
    one.user = {}
    assert list(problems(one)) == ["description"]


def test_a_text_that_is_typed_for_another_type_is_measured_as_text() -> None:
    assert problems(story(diggs="many", submit_date="now")) == {}
    assert list(problems(story(diggs="1" * LIMIT))) == ["diggs"]


def test_the_key_of_a_label_is_named_when_it_is_too_long() -> None:
    assert problems(Label(text="a" * 80)) == {}
    assert list(problems(Label(text="\ud800"))) == ["text"]
    one = Label(text="\x01" * 80)
    with pytest.raises(Refused) as caught:
        one.save()
    assert "is longer than 255 characters" in str(caught.value)
    assert errors(one) == {"text": [f"Not saved. {caught.value}"]}
    assert errors(one, exclude=["text"]) == {NON_FIELD_ERRORS: [f"Not saved. {caught.value}"]}


def test_a_key_that_the_database_does_not_return_is_named() -> None:
    key = Lower(Value("A"))
    assert "set the key" in problems(Label(text=key))["text"]
    returned = connection.features.can_return_columns_from_insert
    assert list(errors(Locker())) == ([] if returned else ["number"])
    assert errors(Locker(number=9)) == {}


def test_a_row_with_a_key_of_the_database_is_measured() -> None:
    one = Locker(size="1" * LIMIT)
    returned = connection.features.can_return_columns_from_insert

    assert list(problems(one)) == ["size" if returned else "number"]


@pytest.mark.parametrize(("size", "refused"), [(1_000, False), (1_001, True)])
def test_a_short_column_may_grow_in_a_row_over_the_limit(
    settings: Any, size: int, refused: bool
) -> None:
    settings.CDC = replace(settings.CDC, max_event_bytes=100_000)
    one = story(description="x" * 60_000, link="http://a.example/")
    one.save()
    settings.CDC = replace(settings.CDC, max_event_bytes=LIMIT)
    bare = len(encode_row({"user": {"name": ""}}) or b"")

    one.user = {"name": "x" * (size - bare)}

    assert bool(problems(one)) is refused
