"""Feed positions. Browsers send them as text, so the text may be malformed."""

from contextlib import suppress
from hashlib import blake2s

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import Rejected
from cdc.feed.position import FeedBounds, FeedPosition, tag_of
from cdc.wire.topic import TopicBounds

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


@pytest.mark.parametrize(
    ("offsets", "text"),
    [((0,), "0"), ((35, 36), "z.10"), ((2**63 - 1,), "1y2p0ij32e8e7"), ((1295, 7), "zz.7")],
)
def test_an_offset_is_written_in_base_36(offsets: tuple[int, ...], text: str) -> None:
    assert str(FeedPosition(TAG, offsets)) == f"{TAG}.{text}"
    assert FeedPosition.parse(f"{TAG}.{text}") == FeedPosition(TAG, offsets)


def test_a_position_may_be_as_long_as_its_limit() -> None:
    longest = f"{TAG}{'.1' * 4_092}"
    assert len(longest) == 8_192
    assert len(FeedPosition.parse(longest).offsets) == 4_092
    with pytest.raises(
        Rejected, match="contains an invalid position in the feed: open the page without it"
    ):
        FeedPosition.parse(f"{longest}.1")


def test_an_offset_beyond_64_bits_is_named() -> None:
    with pytest.raises(Rejected, match="in the feed with an invalid offset"):
        FeedPosition.parse(f"{TAG}.0.1y2p0ij32e8e8.0")


def test_the_tag_of_a_topic_never_changes() -> None:
    assert blake2s(b"story-events\nan id", digest_size=4).hexdigest() == TAG


def test_moving_keeps_the_other_partitions() -> None:
    assert FeedPosition(TAG, (4, 7, 9)).moved({0: 1, 2: 8}) == FeedPosition(TAG, (1, 7, 8))


def test_what_is_missing_is_counted_in_each_partition() -> None:
    held = FeedPosition(TAG, (4, 7, 9))
    assert held.missing_to(FeedPosition(TAG, (6, 5, 10))) == 3
    assert held.missing_to(held) == 0
    with pytest.raises(ValueError, match="is shorter"):
        held.missing_to(FeedPosition(TAG, (6, 5)))


def test_a_position_covers_itself_and_none_with_other_partitions() -> None:
    held = FeedPosition(TAG, (4, 7))
    assert held.covers(held)
    assert not held.covers(FeedPosition(TAG, (4,)))


def test_the_same_partitions_fit_unchanged() -> None:
    held = FeedPosition(TAG, (4, 7))
    assert held.fitted(FeedPosition(TAG, (9, 9))) == held


def test_bounds_are_positions_with_the_tag_of_their_topic() -> None:
    bounds = TopicBounds(topic="story-events", topic_id="an id", first=(1, 2), end=(3, 4))
    assert FeedBounds.of(bounds) == FeedBounds(
        first=FeedPosition(TAG, (1, 2)), end=FeedPosition(TAG, (3, 4))
    )
