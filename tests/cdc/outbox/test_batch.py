"""Batches are limited in bytes. Rows are read in portions, and the lease is checked in between."""

from collections.abc import Iterable

from cdc.models import OutboxRecord
from cdc.outbox.batch import BATCH_BYTES, PORTION_BYTES, BatchReader

LARGEST = 900_000


class Table:
    """Rows of given sizes. Records how many bytes each statement returns."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.all = sizes
        self.measured: list[int] = []
        self.read: list[int] = []

    def sizes(self, ids: Iterable[int]) -> list[tuple[int, int]]:
        found = [(number, self.all[number]) for number in ids if number in self.all]
        self.measured.append(sum(size for _, size in found))
        return found

    def rows(self, ids: Iterable[int]) -> list[OutboxRecord]:
        found = [
            OutboxRecord(id=number, after=bytes(self.all[number]))
            for number in ids
            if number in self.all
        ]
        self.read.append(sum(len(row.after or b"") for row in found))
        return found


def read_all(table: Table, ids: list[int], largest: int = LARGEST) -> list[list[int]]:
    """Read all ids in batches. Return the ids of each batch."""
    batches = []
    while ids:
        rows, taken = BatchReader(table, largest).read(ids, lambda: True)
        assert taken > 0
        batches.append([row.id for row in rows])
        ids = ids[taken:]
    return batches


def test_small_rows_are_one_batch() -> None:
    table = Table(dict.fromkeys(range(1, 1001), 1_000))

    (batch,) = read_all(table, list(table.all))

    assert batch == list(table.all)


def test_large_rows_are_read_in_bounded_portions() -> None:
    table = Table(dict.fromkeys(range(1, 101), 800_000))

    batches = read_all(table, list(table.all))

    assert [number for batch in batches for number in batch] == list(table.all)
    assert max(table.read) <= PORTION_BYTES
    assert max(len(batch) * 800_000 for batch in batches) < BATCH_BYTES + PORTION_BYTES
    assert max(table.measured) <= 64_000_000


def test_a_row_of_any_size_is_read_alone() -> None:
    table = Table({1: 10, 2: 30_000_000, 3: 10, 4: 30_000_000, 5: 7, 6: 7, 7: 7})

    assert sum(read_all(table, list(table.all)), []) == list(table.all)  # noqa: RUF017
    assert max(table.read) == 30_000_000


def test_large_rows_after_small_ones_are_bounded_too() -> None:
    sizes = dict.fromkeys(range(1, 501), 10) | dict.fromkeys(range(501, 600), 900_000)
    table = Table(sizes)

    read_all(table, list(sizes))

    assert max(table.read) <= PORTION_BYTES
    assert max(table.measured) <= 64_000_000


def test_rows_that_are_gone_count_as_read() -> None:
    table = Table({2: 5, 900: 5})

    rows, taken = BatchReader(table, LARGEST).read(list(range(1, 1001)), lambda: True)

    assert [row.id for row in rows] == [2, 900]
    assert taken == 1000


def test_a_limit_of_events_beyond_a_portion_reads_row_by_row() -> None:
    table = Table(dict.fromkeys(range(1, 9), 14_000_000))

    assert read_all(table, list(table.all), largest=15_000_000) == [[n] for n in table.all]


def test_reading_stops_when_the_lease_is_lost() -> None:
    table = Table(dict.fromkeys(range(1, 101), 800_000))
    asked: list[int] = []

    def may_continue() -> bool:
        asked.append(len(table.read))
        return len(asked) < 2

    rows, taken = BatchReader(table, LARGEST).read(list(table.all), may_continue)

    assert asked == [1, 2]
    assert [row.id for row in rows] == list(range(1, 11)), "what was read is not lost"
    assert taken == 10


def test_a_portion_may_have_exactly_its_limit() -> None:
    table = Table(dict.fromkeys(range(1, 6), PORTION_BYTES // 4))

    read_all(table, list(table.all))

    assert table.read == [PORTION_BYTES, PORTION_BYTES // 4]


def test_two_rows_that_may_be_too_large_are_not_measured_together() -> None:
    table = Table({1: 7, 2: 7})

    assert read_all(table, [1, 2], largest=65_000_000) == [[1, 2]]
    assert (table.measured, table.read) == ([], [7, 7])
