"""The ids that the relay publishes, when transactions are committed in any order."""

from collections.abc import Iterable, Sequence

import pytest

from cdc.models import OutboxRecord
from cdc.outbox import finder as module
from cdc.outbox.finder import SETTLE_SECONDS, Finder
from cdc.outbox.progress import SETTLE_AGE_SECONDS, Range
from cdc.outbox.sweeper import LOOK_SECONDS, Sweeper
from cdc.testing.twins import FakeClock


class Table:
    """An outbox with the ids of committed rows and of open transactions."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.rows: set[int] = set()
        self.open: set[int] = set()
        self.asked: list[list[Range]] = []

    def ids(self, *, above: int, limit: int) -> list[int]:
        return sorted(number for number in self.rows if number > above)[:limit]

    def ids_in(self, ranges: Sequence[Range], limit: int | None = None) -> list[int]:
        return sorted(number for number in self.rows if _in(number, ranges))[:limit]

    def settled(self, ranges: Sequence[Range]) -> bool:
        self.asked.append(list(ranges))
        return not any(_in(number, ranges) for number in self.rows | self.open)

    def delete(self, ids: Sequence[int], epoch: int, times: Iterable[int]) -> bool:
        self.rows.difference_update(ids)
        return True

    def wait_briefly_for_locks(self) -> None: ...


def _in(number: int, ranges: Iterable[Range]) -> bool:
    return any(first <= number <= last for first, last in ranges)


class World:
    """A finder, the ids that it has published, and a sweeper that deletes on demand."""

    def __init__(self) -> None:
        self.table = Table()
        self.sweeper = Sweeper(self.table, self.table.clock)
        self.finder = Finder(self.table, self.sweeper, self.table.clock)
        self.published: list[int] = []

    def publish(self, *, delete: bool = True) -> list[int]:
        found = self.finder.find()
        rows = [OutboxRecord(id=number, epoch=1) for number in found]
        self.sweeper.published(rows)
        self.finder.published(rows)
        self.published += found
        if delete:
            self.sweep()
        return found

    def sweep(self) -> None:
        while self.sweeper.run_once():
            pass

    def wait(self, seconds: float = SETTLE_AGE_SECONDS + 1) -> None:
        """Let time pass, and look at the outbox before and afterwards."""
        self.publish()
        self.table.clock.sleep(seconds)
        self.publish()
        self.table.clock.sleep(SETTLE_SECONDS)
        self.publish()


@pytest.fixture
def world() -> World:
    return World()


def test_an_id_of_an_open_transaction_is_waited_for_however_long(world: World) -> None:
    world.table.rows, world.table.open = {1, 2, 4, 5}, {3}
    for _ in range(20):
        world.wait()
    assert world.published == [1, 2, 4, 5]
    assert world.finder.mark == 2, "the next leader would not look for 3"

    world.table.open, world.table.rows = set(), {3}
    assert world.publish() == [3]
    assert world.finder.mark == 5


def test_an_id_that_was_rolled_back_is_passed(world: World) -> None:
    world.table.rows, world.table.open = {1, 5}, {3}
    world.wait()
    assert world.finder.mark == 1

    world.table.open = set()
    world.wait()
    assert world.finder.mark == 5
    assert world.published == [1, 5]


def test_a_settled_gap_is_passed_beside_many_open_ones(world: World) -> None:
    world.table.rows = set(range(1, 200, 2))
    world.table.open = {100, 150}
    world.wait()

    assert world.finder.mark == 99
    world.table.rows.add(100)
    world.table.open = {150}
    world.wait()
    assert world.finder.mark == 149


def test_no_id_counts_as_never_used_before_it_was_missing_long_enough(world: World) -> None:
    world.table.rows = {1, 3}
    world.publish()
    world.table.clock.sleep(SETTLE_AGE_SECONDS - 0.1)
    world.publish()
    assert (world.finder.mark, world.table.asked) == (1, [])

    world.table.clock.sleep(SETTLE_SECONDS)
    world.publish()
    assert (world.finder.mark, world.table.asked) == (3, [[(2, 2)]])


def test_each_gap_is_read_although_they_are_many(world: World) -> None:
    world.table.rows = set(range(2, 1_000, 2))
    world.table.open = set(range(1, 1_000, 2))
    world.publish()

    world.table.rows = set(range(1, 1_000, 2))
    assert world.publish() == [*range(1, 1_000, 2)]


def test_rows_that_are_found_are_not_found_again_while_they_wait_to_be_deleted(
    world: World,
) -> None:
    world.table.rows = {1, 2, 4}
    assert world.publish(delete=False) == [1, 2, 4]
    assert world.publish(delete=False) == []
    world.table.rows.add(3)
    assert world.publish(delete=False) == [3]


def test_only_the_rows_that_were_published_are_passed(world: World) -> None:
    world.table.rows = {1, 2, 3}
    (first, *_) = world.finder.find()
    rows = [OutboxRecord(id=first, epoch=1)]
    world.sweeper.published(rows)
    world.finder.published(rows)
    assert world.finder.mark == 1

    assert world.finder.find() == [2, 3]


def test_a_gap_is_read_after_the_new_rows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise, a change could be published before an earlier change of the same row."""
    world.table.rows = {1, 3}
    world.publish()
    read = world.table.ids_in

    def read_before_a_commit(ranges: Sequence[Range], limit: int | None = None) -> list[int]:
        found = read(ranges, limit)
        world.table.rows |= {2, 4}  # 4 is a later change of the row that 2 changes
        return found

    monkeypatch.setattr(world.table, "ids_in", read_before_a_commit)
    world.publish()
    world.publish()

    assert world.published == [1, 3, 2, 4]


def test_more_rows_than_a_batch_are_found_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    world.table.rows = set(range(1, 31))

    batches = []
    while batch := world.publish(delete=False):
        batches.append(batch)
        assert world.finder.more is (len(batch) == 4)

    assert [number for batch in batches for number in batch] == list(range(1, 31))


@pytest.mark.parametrize("deleted", [False, True])
def test_a_deleted_row_that_is_back_under_its_id_comes_before_later_ones(
    world: World, *, deleted: bool
) -> None:
    world.table.rows = {1, 2}
    world.publish(delete=deleted)
    world.table.rows = {1, 2, 3}

    assert world.publish(delete=deleted) == ([1, 2, 3] if deleted else [3])


def test_a_row_deleted_while_the_outbox_is_read_is_not_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.table.rows = {1}
    world.publish(delete=False)
    read = world.table.ids

    def deleted_meanwhile(*, above: int, limit: int) -> list[int]:
        found = read(above=above, limit=limit)
        world.sweep()
        return found

    monkeypatch.setattr(world.table, "ids", deleted_meanwhile)
    world.table.rows.add(2)

    assert world.publish(delete=False) == [2]


def test_a_row_below_the_mark_is_found_by_the_next_look(world: World) -> None:
    world.table.rows = set(range(1, 101))
    world.wait()
    assert world.finder.mark == 100
    world.table.rows = {7}
    assert world.finder.find() == []
    world.table.clock.sleep(LOOK_SECONDS)
    world.sweep()

    assert world.finder.find() == [7]
    assert world.finder.find() == [], "it is being published"


def test_after_a_start_over_everything_above_the_mark_is_found_again(world: World) -> None:
    world.table.rows = {101, 102, 103}
    world.publish(delete=False)
    world.table.rows.add(104)

    world.finder.start_over(50)

    assert world.finder.mark == 50
    assert world.sweeper.idle, "the same ids may be other rows now"
    assert world.publish() == [101, 102, 103, 104]
    assert not world.table.rows
