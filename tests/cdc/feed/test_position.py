"""Positions in the feed; their text comes from browsers, so it may be anything."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import Rejected
from cdc.feed.position import FeedPosition, tag_of

TAG = tag_of("story-events", "an id")
OFFSETS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=40).map(tuple)


@given(OFFSETS)
def test_text_round_trip(offsets: tuple[int, ...]) -> None:
    position = FeedPosition(TAG, offsets)
    assert FeedPosition.parse(str(position)) == position


@given(st.text("0af9z.-A\n ", max_size=40))
def test_any_text_is_a_position_or_rejected(text: str) -> None:
    with suppress(Rejected):
        assert all(0 <= offset < 2**63 for offset in FeedPosition.parse(text).offsets)


@pytest.mark.parametrize(
    "text",
    [
        *("", TAG, f"{TAG}.", f"{TAG}.-1", f"{TAG}.1\n", f"{TAG}.1\nevent: x", f"{TAG}.A"),
        *(f"{TAG}.zzzzzzzzzzzzz", f"{TAG}.\u0661", f"{TAG[:7]}.1", f"{TAG}" + ".1" * 9_000),
    ],
)
def test_invalid_text_is_rejected(text: str) -> None:
    with pytest.raises(Rejected):
        FeedPosition.parse(text)


def test_a_record_moves_only_its_own_partition() -> None:
    assert FeedPosition(TAG, (4, 7)).after(1, 9) == FeedPosition(TAG, (4, 10))


def test_covering_needs_every_partition() -> None:
    assert FeedPosition(TAG, (4, 7)).covers(FeedPosition(TAG, (4, 6)))
    assert not FeedPosition(TAG, (4, 7)).covers(FeedPosition(TAG, (5, 6)))
    assert not FeedPosition(TAG, (4, 7)).covers(FeedPosition("another", (4, 6)))


def test_new_partitions_are_read_from_their_start() -> None:
    now = FeedPosition(TAG, (9, 9, 3))
    assert FeedPosition(TAG, (4, 7)).fitted(now) == FeedPosition(TAG, (4, 7, 0))
    assert FeedPosition("another", (4, 7)).fitted(now) is None
    assert now.fitted(FeedPosition(TAG, (9, 9))) is None


def test_another_topic_has_another_tag() -> None:
    assert len({tag_of("a", "1"), tag_of("a", "2"), tag_of("b", "1")}) == 3
