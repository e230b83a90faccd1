"""CSV files: no text runs as a formula, and every spreadsheet reads them as UTF-8."""

import csv
import io

import pytest

from cdc.operations import Audience
from project.dashboard.cells import number, text
from project.dashboard.csv_file import chunks, harmless
from project.dashboard.tables import Table, table
from tests.support.reports import drained, report


def read(found: Table) -> list[list[str]]:
    data = drained(chunks(found))
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+1",
        "-1+2",
        "@SUM(A1)",
        " =1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
        "\u202e=1",
        "\t=1",
        "\rx",
        "\nx",
        "\x00=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
        "\u22121",
        '=HYPERLINK("http://evil.example")',
    ],
)
def test_a_formula_is_text(value: str) -> None:
    assert harmless(value) == f"'{value}"


@pytest.mark.parametrize("value", ["", "plain", "a=b", "1-2", "<b>", "'=1", "☃", "x" * 300])
def test_other_texts_are_unchanged(value: str) -> None:
    assert harmless(value) == value


def test_numbers_stay_numbers_and_texts_keep_their_lines() -> None:
    odd = 'a "quoted", text\nof two lines ☃'
    rows = ((text(odd), number(-3)), (text("=1"), number(1_000)))
    found = read(Table(name="t", title="T", heads=("=Head", "n"), rows=rows))
    assert found == [["'=Head", "n"], [odd, "-3"], ["'=1", "1000"]]


def test_a_file_may_have_heads_of_its_own() -> None:
    found = Table(name="t", title="T", heads=("n",), rows=(), file_heads=("=Number of all",))
    assert read(found) == [["'=Number of all"]]


def test_a_file_has_all_rows() -> None:
    rows = tuple((number(each),) for each in range(1_000))
    found = read(Table(name="t", title="T", heads=("n",), rows=rows))
    assert [row[0] for row in found[1:]] == [str(each) for each in range(1_000)]


def test_a_text_that_utf_8_cannot_encode_is_replaced() -> None:
    found = read(Table(name="t", title="T", heads=("n",), rows=((text("a\ud800b"),),)))
    assert found[1] == ["a?b"]


def test_titles_of_stories_are_harmless() -> None:
    found = read(table("stories", report(), Audience.OPERATORS))
    assert "'=1+1" in [row[0] for row in found]


def test_an_empty_table_is_an_empty_file() -> None:
    assert read(Table(name="t", title="T", heads=(), rows=())) == [[]]
