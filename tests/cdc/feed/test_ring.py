"""The ring buffer with the latest changes."""

from cdc.feed.position import FeedPosition
from cdc.feed.ring import Ring
from cdc.feed.sse import change_head
from tests.cdc.feed.records import rendered
from tests.support.builders import change

START = FeedPosition("aaaaaaaa", (10, 20))


def filled(count: int, **bounds: int) -> Ring:
    ring = Ring(START, **bounds)
    for number in range(count):
        partition = number % 2
        offset = START.offsets[partition] + number // 2
        ring.add(rendered(change("c", number, number), partition, offset))
    return ring


def test_changes_come_back_in_order_from_a_number_on() -> None:
    ring = filled(6)
    assert [entry.change.key for entry in ring.since(4)] == ["4", "5"]
    assert list(ring.since(6)) == []
    assert ring.end == FeedPosition("aaaaaaaa", (13, 23))


def test_the_number_of_changes_is_bounded() -> None:
    ring = filled(10, changes=4)
    assert (ring.first, ring.next) == (6, 10)
    assert [entry.change.key for entry in ring.since(0)] == ["6", "7", "8", "9"]
    assert ring.start == FeedPosition("aaaaaaaa", (13, 23))


def test_the_bytes_are_bounded() -> None:
    size = rendered(change("c", 1, 1)).size
    ring = filled(50, bytes_=size * 5)
    assert ring.bytes <= size * 5
    assert 3 <= ring.next - ring.first <= 5


def test_numbers_and_positions_agree() -> None:
    ring = filled(6)
    assert ring.number_at(START) == 0
    for number in range(7):
        assert ring.number_at(ring.position_before(number)) == number
    assert ring.number_at(FeedPosition("aaaaaaaa", (11, 23))) is None


def test_a_skipped_record_moves_only_the_end() -> None:
    ring = filled(2)
    ring.skip(1, 21)
    assert ring.end == FeedPosition("aaaaaaaa", (11, 22))
    assert ring.number_at(ring.end) == ring.next == 2


def test_a_position_that_was_skipped_is_not_the_start() -> None:
    ring = Ring(START)
    ring.skip(0, 10)
    assert (ring.start, ring.number_at(START), ring.number_at(ring.end)) == (START, 0, 0)
    assert ring.position_before(0) == START


def test_the_bytes_are_those_of_the_held_changes() -> None:
    ring = filled(50, changes=7)
    assert ring.bytes == sum(entry.change.size for entry in ring.since(0))
    assert [number for number, _ in enumerate(ring.since(0), ring.first)] == list(range(43, 50))


def test_both_bounds_may_be_reached_exactly() -> None:
    size = filled(1).bytes
    assert filled(1, bytes_=size).first == 0
    assert filled(1, bytes_=size - 1).first == 1
    assert filled(4, changes=4).first == 0


def test_an_entry_has_the_position_after_its_change_and_its_frame() -> None:
    entries = list(filled(3).since(1))
    positions = [FeedPosition("aaaaaaaa", offsets) for offsets in ((11, 21), (12, 21))]
    assert [entry.position for entry in entries] == positions
    assert [entry.head for entry in entries] == [change_head(each) for each in positions]


def test_positions_agree_after_changes_were_dropped() -> None:
    ring = filled(10, changes=4)
    assert ring.number_at(START) is None
    for number in range(6, 11):
        assert ring.number_at(ring.position_before(number)) == number
