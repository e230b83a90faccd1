"""Filters of the feed, as they stand in an address."""

import pytest
from django.http import QueryDict

from cdc.feed.audience import Audience
from cdc.feed.filter import Filter
from cdc.feed.rendering import Renderer
from cdc.registry import registry
from cdc.wire.records import Record, TopicPartition
from tests.cdc.feed.records import seen, update
from tests.support.builders import change

OPERATORS, OVERSEERS = Audience.OPERATORS, Audience.OVERSEERS
CHANGED = seen(update(17, 5, diggs=9, user={"name": "x"}))


def wanted(query: str, audience: Audience = OPERATORS) -> Filter:
    return Filter.parse(QueryDict(query), audience)


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ("", True),
        ("op=u", True),
        ("op=c&op=u", True),
        ("op=d", False),
        ("op=zebra", True),  # says nothing
        ("story=17", True),
        ("story=1", False),
        ("field=diggs", True),
        ("field=title", False),
        ("field=user", True),
        ("topic=people", True),
        ("topic=offbeat", False),
        ("who=7", True),
        ("who=8", False),
        ("op=u&story=17&field=diggs&topic=People&who=7", True),
        ("op=u&story=17&field=diggs&topic=People&who=8", False),
    ],
)
def test_a_change_must_be_all_that_is_asked(query: str, passes: bool) -> None:
    assert wanted(query).matches(CHANGED, OPERATORS) is passes


def test_nobody_learns_by_asking_what_they_are_not_shown() -> None:
    assert wanted("who=8", OVERSEERS).matches(CHANGED, OVERSEERS)
    assert not wanted("field=user", OVERSEERS).matches(CHANGED, OVERSEERS)


def test_what_is_not_ours_passes_no_filter() -> None:
    held = Record(source=TopicPartition("t", 0), offset=0, key=None, value=b"x")
    stranger = Renderer(registry).render(held)
    assert stranger is not None
    assert wanted("").matches(stranger, OPERATORS)
    assert not wanted("op=c").matches(stranger, OPERATORS)


def test_a_filter_survives_its_address() -> None:
    asked = wanted("op=u&op=c&story=17&topic=a%26b%0d%0a&who=" + "x" * 500)
    assert wanted(asked.query()) == asked
    assert "\n" not in asked.query(after="1.2")
    assert len(asked.user) == 100


def test_an_empty_filter_is_false() -> None:
    assert not wanted("op=&story=%00+")
    assert wanted("op=c")
    assert wanted("op=c").matches(seen(change("c", 1, 1)), OPERATORS)
