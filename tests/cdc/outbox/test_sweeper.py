"""The rows that the sweeper deletes, and the late rows that it finds at or below the mark."""

from collections.abc import Iterable, Sequence

import pytest

from cdc.errors import Retryable
from cdc.models import OutboxRecord
from cdc.outbox.progress import Range
from cdc.outbox.queue import MOST_IDS
from cdc.outbox.sweeper import LOOK_SECONDS, Sweeper
from cdc.runtime import fault_points
from cdc.testing.twins import FakeClock


class Table:
    """An outbox with the epochs of its rows by id. Some rows may be locked."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.locked: set[int] = set()
        self.down = False
        self.deletes: list[list[int]] = []
        self.clock = FakeClock()
        self.look_takes = 0.0
        self.looks: list[tuple[Range, int]] = []
        self.brief = 0

    def add(self, *ids: int, epoch: int = 1) -> list[OutboxRecord]:
        self.rows.update(dict.fromkeys(ids, epoch))
        return [OutboxRecord(id=number, epoch=epoch) for number in ids]

    def delete(self, ids: Sequence[int], epoch: int, times: Iterable[int]) -> bool:
        if self.down:
            raise Retryable("down")
        self.deletes.append(list(ids))
        if self.locked & set(ids):
            return False
        for number in ids:
            if self.rows.get(number) == epoch:
                del self.rows[number]
        return True

    def ids_in(self, ranges: Sequence[Range], limit: int) -> list[int]:
        self.clock.sleep(self.look_takes)
        ((first, last),) = ranges
        self.looks.append(((first, last), limit))
        return [number for number in sorted(self.rows) if first <= number <= last][:limit]

    def wait_briefly_for_locks(self) -> None:
        self.brief += 1


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def sweeper(table: Table) -> Sweeper:
    return Sweeper(table, table.clock)


def run(sweeper: Sweeper) -> None:
    while sweeper.run_once():
        pass


def test_published_rows_are_deleted_together(table: Table, sweeper: Sweeper) -> None:
    sweeper.published(table.add(1, 2))
    sweeper.published(table.add(4))
    table.add(3, 5)

    run(sweeper)

    assert table.deletes == [[1, 2, 4]]
    assert set(table.rows) == {3, 5}
    assert sweeper.idle


def test_rows_of_another_epoch_under_the_same_ids_stay(table: Table, sweeper: Sweeper) -> None:
    sweeper.published(table.add(1, 2, epoch=1))
    sweeper.published(table.add(3, epoch=2))
    table.add(1, epoch=2)

    run(sweeper)

    assert table.rows == {1: 2}
    assert table.deletes == [[1, 2], [3]]


def test_a_statement_lists_a_bounded_number(table: Table, sweeper: Sweeper) -> None:
    sweeper.published(table.add(*range(1, 2 * MOST_IDS + 2)))

    run(sweeper)

    assert [len(ids) for ids in table.deletes] == [MOST_IDS, MOST_IDS, 1]
    assert not table.rows


def test_a_locked_row_holds_no_other(table: Table, sweeper: Sweeper) -> None:
    sweeper.published(table.add(*range(1, 101)))
    table.locked = {37}

    for _ in range(20):
        run(sweeper)
        table.clock.sleep(2)
    assert set(table.rows) == {37}
    assert not sweeper.idle

    table.locked = set()
    run(sweeper)
    assert not table.rows
    assert sweeper.idle


def test_a_locked_row_does_not_delay_later_ones(table: Table, sweeper: Sweeper) -> None:
    table.locked = {1}
    sweeper.published(table.add(1))
    run(sweeper)
    sweeper.published(table.add(2))
    run(sweeper)

    assert set(table.rows) == {1}


def test_rows_wait_while_the_database_is_down(table: Table, sweeper: Sweeper) -> None:
    sweeper.published(table.add(1))
    table.down = True
    with pytest.raises(Retryable):
        sweeper.run_once()

    table.down = False
    run(sweeper)
    assert not table.rows


def test_a_row_that_appears_below_the_mark_is_found_once(table: Table, sweeper: Sweeper) -> None:
    sweeper.watch(10)
    run(sweeper)
    (late,) = table.add(7)
    table.add(11)

    run(sweeper)
    assert sweeper.overlooked() == set()
    table.clock.sleep(LOOK_SECONDS)
    run(sweeper)
    assert sweeper.overlooked() == {7}
    table.clock.sleep(LOOK_SECONDS)
    run(sweeper)
    assert sweeper.overlooked() == set()

    sweeper.published([late])
    run(sweeper)
    assert set(table.rows) == {11}
    table.add(7)
    table.clock.sleep(LOOK_SECONDS)
    run(sweeper)
    assert sweeper.overlooked() == {7}


def test_all_rows_below_the_mark_are_found(table: Table, sweeper: Sweeper) -> None:
    table.add(*range(1, 12_001))
    sweeper.watch(12_000)

    run(sweeper)

    assert sweeper.overlooked() == set(range(1, 12_001))


def test_rows_that_wait_to_be_deleted_are_not_found(table: Table, sweeper: Sweeper) -> None:
    table.locked = {3}
    sweeper.published(table.add(3))
    run(sweeper)
    sweeper.published(table.add(4))
    sweeper.watch(10)

    sweeper.run_once()

    assert sweeper.overlooked() == set()


def test_a_slow_look_comes_rarely(table: Table, sweeper: Sweeper) -> None:
    table.look_takes = 2
    sweeper.watch(10)
    run(sweeper)
    table.add(5)

    table.clock.sleep(50)
    run(sweeper)
    assert sweeper.overlooked() == set()
    table.clock.sleep(50)
    run(sweeper)
    assert sweeper.overlooked() == {5}


def test_a_relay_that_starts_over_has_nothing_to_delete(table: Table, sweeper: Sweeper) -> None:
    sweeper.published(table.add(1))
    sweeper.watch(5)
    sweeper.forget()

    run(sweeper)

    assert set(table.rows) == {1}
    assert sweeper.overlooked() == set()
    assert sweeper.idle


def test_what_was_under_way_at_the_start_over_is_dropped(table: Table) -> None:
    class Overtaken(Table):
        def delete(self, ids: Sequence[int], epoch: int, times: Iterable[int]) -> bool:
            if not self.deletes:
                started_over.forget()
                started_over.published(self.add(8))
            return super().delete(ids, epoch, times)

    other = Overtaken()
    started_over = Sweeper(other, other.clock)
    started_over.published(other.add(1))

    run(started_over)

    assert other.deletes == [[1], [8]]
    assert not other.rows


def test_locked_rows_are_tried_again_in_halves_after_a_second(
    table: Table, sweeper: Sweeper
) -> None:
    table.locked = {1}
    sweeper.published(table.add(1, 2, 3, epoch=4))
    run(sweeper)
    table.clock.sleep(0.5)
    run(sweeper)
    assert table.deletes == [[1, 2, 3]]

    table.clock.sleep(0.5)
    run(sweeper)
    assert table.deletes == [[1, 2, 3], [1, 2], [3]]
    table.clock.sleep(1)
    run(sweeper)
    assert table.deletes[3:] == [[1], [2]]
    assert table.rows == {1: 4}


def test_a_refused_row_that_is_due_goes_before_new_ones(table: Table, sweeper: Sweeper) -> None:
    table.locked = {1}
    sweeper.published(table.add(1))
    run(sweeper)
    table.locked = set()
    table.clock.sleep(1)
    sweeper.published(table.add(2, epoch=2))

    run(sweeper)

    assert table.deletes == [[1], [1], [2]]


def test_a_read_knows_what_existed_when_it_began(table: Table, sweeper: Sweeper) -> None:
    sweeper.published(table.add(1, 2))
    sweeper.begin_read()
    assert sweeper.undeleted({2, 3}) == {2}
    run(sweeper)
    sweeper.published(table.add(4))
    assert sweeper.undeleted({1, 2, 3, 4}) == {1, 2, 4}

    sweeper.begin_read()
    assert sweeper.undeleted({1, 2, 3, 4}) == {4}


def test_a_locked_row_still_exists(table: Table, sweeper: Sweeper) -> None:
    table.locked = {2}
    sweeper.published(table.add(1, 2))
    run(sweeper)
    table.clock.sleep(1)
    run(sweeper)

    sweeper.begin_read()
    assert sweeper.undeleted({1, 2}) == {2}


def test_nothing_is_looked_for_without_a_mark(table: Table, sweeper: Sweeper) -> None:
    table.add(1)
    assert not sweeper.run_once()
    assert table.looks == []
    assert sweeper.overlooked() == set()
    assert table.brief == 1


def test_a_look_reads_up_to_the_mark_in_portions(table: Table, sweeper: Sweeper) -> None:
    table.add(*range(1, 5_001), 6_000)
    sweeper.watch(5_500)
    sweeper.run_once()

    assert table.looks == [((1, 5_500), 5_000), ((5_001, 5_500), 5_000)]
    assert sweeper.overlooked() == set(range(1, 5_001))


def test_a_look_is_due_after_five_seconds(table: Table, sweeper: Sweeper) -> None:
    sweeper.watch(10)
    sweeper.run_once()
    table.clock.sleep(LOOK_SECONDS - 0.5)
    sweeper.run_once()
    assert len(table.looks) == 1

    table.clock.sleep(0.5)
    sweeper.run_once()
    assert len(table.looks) == 2


def test_a_look_that_is_overtaken_by_a_new_start_finds_nothing() -> None:
    class Overtaken(Table):
        def ids_in(self, ranges: Sequence[Range], limit: int) -> list[int]:
            found = super().ids_in(ranges, limit)
            started_over.forget()
            return found

    other = Overtaken()
    started_over = Sweeper(other, other.clock)
    other.add(1)
    started_over.watch(5)
    started_over.run_once()

    assert started_over.overlooked() == set()


def test_rows_waiting_to_be_deleted_and_refused_ones_are_not_overlooked(
    table: Table, sweeper: Sweeper
) -> None:
    table.locked = {1}
    sweeper.published(table.add(1))
    run(sweeper)
    sweeper.published(table.add(2))
    table.add(3)
    sweeper.watch(3)
    sweeper.run_once()

    assert sweeper.overlooked() == {3}
    assert sweeper.overlooked() == set()


def look(table: Table, sweeper: Sweeper) -> None:
    table.clock.sleep(LOOK_SECONDS)
    sweeper.run_once()


def test_what_two_looks_find_is_returned_together(table: Table, sweeper: Sweeper) -> None:
    sweeper.watch(10)
    table.add(7)
    look(table, sweeper)
    del table.rows[7]
    table.add(8)
    look(table, sweeper)

    assert sweeper.overlooked() == {7, 8}


def test_a_row_is_returned_once_until_it_is_published(table: Table, sweeper: Sweeper) -> None:
    sweeper.watch(10)
    (row,) = table.add(7)
    look(table, sweeper)
    assert sweeper.overlooked() == {7}
    del table.rows[7]
    look(table, sweeper)
    table.add(7)
    look(table, sweeper)
    assert sweeper.overlooked() == set()

    sweeper.published([row])
    run(sweeper)
    table.add(7)
    look(table, sweeper)
    assert sweeper.overlooked() == {7}


def test_below_the_first_id_there_is_nothing_to_look_for(table: Table, sweeper: Sweeper) -> None:
    sweeper.watch(0)
    table.add(1)
    look(table, sweeper)

    assert sweeper.overlooked() == set()


def test_a_pause_ends_without_work_and_at_once_with_work(table: Table, sweeper: Sweeper) -> None:
    sweeper.pause()
    sweeper.published(table.add(1))
    sweeper.pause()
    run(sweeper)

    assert not table.rows


def test_a_process_can_be_stopped_after_its_rows_are_deleted(
    table: Table, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[tuple[str, int]] = []
    monkeypatch.setattr(fault_points, "reach", lambda name: reached.append((name, len(table.rows))))
    sweeper.published(table.add(1, 2))
    run(sweeper)

    assert reached == [(fault_points.RELAY_ACKNOWLEDGED, 0)]


def test_a_row_is_found_again_only_after_it_was_published(table: Table, sweeper: Sweeper) -> None:
    table.add(3)
    sweeper.watch(10)
    run(sweeper)
    assert sweeper.overlooked() == {3}
    for _ in range(3):
        table.clock.sleep(LOOK_SECONDS)
        run(sweeper)
        assert sweeper.overlooked() == set(), "the relay was given it and may still publish it"


def test_half_of_the_rows_of_a_refused_delete_is_not_lost(table: Table, sweeper: Sweeper) -> None:
    table.locked = {1, 2, 3}
    sweeper.published(table.add(1, 2, 3))
    run(sweeper)
    assert table.deletes == [[1, 2, 3]]
    table.clock.sleep(2)
    run(sweeper)
    assert table.deletes[1:] == [[1, 2], [3]]
    assert sweeper.undeleted({1, 2, 3, 4}) == {1, 2, 3}

    table.locked = {2}
    for _ in range(4):
        table.clock.sleep(2)
        run(sweeper)
    assert set(table.rows) == {2}
    assert not sweeper.idle
