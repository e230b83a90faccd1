"""The arithmetic of docs/performance.md."""

import pytest

from tests.docs.load import BEGIN, END, arithmetic, performance_page

BENCH = """
| backlog of 20,000          | better | ours, 1             | peer  |
| -------------------------- | ------ | ------------------- | ----- |
| inserts, per second        | higher | 10,000 (9,000-11,000) | 9,000 |
| inserts, processor time, s | lower  | 2.00 (1.50-2.50)    | 7.94  |
| updates, per second        | higher | 8,000 (7,865-8,677) | 8,795 |
| deletes, per second        | higher | 5,000               | 8,795 |

| writer                          | better | plain | captured         |
| ------------------------------- | ------ | ----- | ---------------- |
| a save of an existing story, ms | lower  | 0.78  | 2.00 (1.69-2.23) |
"""


def test_values_are_the_medians_of_the_run() -> None:
    text = " ".join(arithmetic(BENCH).split())
    assert "takes 2.00 ms." in text
    assert "at most 1,000 / 2.00 = 500 changes per second" in text
    assert "inserts at 10,000 per second, of updates at 8,000 and of deletes at 5,000." in text
    assert "2.00 s of processor time for 20,000 inserts, which is 0.100 ms per insert." in text


def test_table_has_a_row_for_each_multiple_of_the_load() -> None:
    rows = arithmetic(BENCH).splitlines()[-3:]
    assert rows == [
        "| 10 times | 1,000 | 2 | 10 % | 12 % | 20 % | 0.1 |",
        "| 100 times | 10,000 | 20 | 100 % | 125 % | 200 % | 1 |",
        "| 1,000 times | 100,000 | 200 | 1,000 % | 1,250 % | 2,000 % | 10 |",
    ]


def test_a_missing_value_is_named() -> None:
    with pytest.raises(LookupError, match="deletes, per second"):
        arithmetic(BENCH.replace("deletes, per second", "deletes"))


def test_only_the_written_lines_of_the_page_change() -> None:
    page = performance_page()
    assert page.startswith("# Performance")
    assert (page.count(BEGIN), page.count(END)) == (1, 1)
    assert page.index("A captured save of an existing story") > page.index(BEGIN)
