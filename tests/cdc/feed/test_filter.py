"""The filters of the live feed, parsed from the query string."""

import pytest
from django.http import QueryDict

from cdc.audience import Audience
from cdc.feed.filter import Filter
from cdc.feed.rendering import Renderer
from cdc.registry import registry
from cdc.wire.records import Record, TopicPartition
from tests.cdc.feed.records import rendered, update
from tests.support.builders import change

OPERATORS, OVERSEERS = Audience.OPERATORS, Audience.OVERSEERS
CHANGED = rendered(update(17, 5, diggs=9, user={"name": "x"}))


def wanted(query: str, audience: Audience = OPERATORS) -> Filter:
    return Filter.parse(QueryDict(query), audience)


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ("", True),
        ("op=u", True),
        ("op=c&op=u", True),
        ("op=d", False),
        ("op=zebra", True),  # zebra is no operation, so it is ignored
        ("story=17", True),
        ("story=1", False),
        ("field=diggs", True),
        ("field=title", False),
        ("field=user", True),
        ("topic=people", True),
        ("topic=offbeat", False),
        ("text=A+STORY", True),
        ("text=poem", False),
        ("who=7", True),
        ("who=8", False),
        ("op=u&story=17&field=diggs&topic=People&who=7", True),
        ("op=u&story=17&field=diggs&topic=People&who=8", False),
    ],
)
def test_a_change_must_meet_every_condition(query: str, passes: bool) -> None:
    assert wanted(query).matches(CHANGED, OPERATORS) is passes


def test_filters_do_not_reveal_hidden_fields() -> None:
    assert wanted("who=8", OVERSEERS).matches(CHANGED, OVERSEERS)
    assert not wanted("field=user", OVERSEERS).matches(CHANGED, OVERSEERS)


def test_an_unrecognised_message_matches_no_filter() -> None:
    held = Record(source=TopicPartition("t", 0), offset=0, key=None, value=b"x")
    unrecognised = Renderer(registry).render(held)
    assert unrecognised is not None
    assert wanted("").matches(unrecognised, OPERATORS)
    assert not wanted("op=c").matches(unrecognised, OPERATORS)


def test_query_string_round_trip() -> None:
    asked = wanted("op=u&op=c&story=17&topic=a%26b%0d%0a&who=" + "x" * 500)
    assert wanted(asked.query()) == asked
    assert "\n" not in asked.query(after="1.2")
    assert len(asked.user) == 100


def test_an_empty_filter_is_false() -> None:
    assert not wanted("op=&story=%00+")
    assert wanted("op=c")
    assert wanted("op=c").matches(rendered(change("c", 1, 1)), OPERATORS)


def test_every_parameter_is_one_condition() -> None:
    asked = wanted("op=u&op=c&op=x&story=+17+&field=diggs&topic=People&who=7")
    assert asked == Filter(
        ops=frozenset("cu"), key="17", field="diggs", topic_name="People", user="7"
    )
    assert asked.query(after="1.2", empty="") == (
        "op=c&op=u&story=17&field=diggs&topic=People&who=7&after=1.2"
    )
    assert wanted("").query() == ""


def test_overseers_cannot_ask_who() -> None:
    assert wanted("who=8&story=17", OVERSEERS) == Filter(key="17")


def test_a_long_text_is_cut_and_nul_is_removed() -> None:
    assert wanted("story=a%00b" + "x" * 200).key == "ab" + "x" * 98
