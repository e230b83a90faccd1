"""The tables of the dashboard, and what an audience may not see."""

import pytest

from cdc.operations import Audience
from project.dashboard.cells import number
from project.dashboard.periods import CHOICES
from project.dashboard.tables import TABLES, Table, table
from tests.support.reports import PERSON, line, report

OPERATORS, OVERSEERS = Audience


def built(name: str, audience: Audience = OPERATORS, choice: str = "30") -> Table:
    return table(name, report(CHOICES[choice]), audience)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_a_cell_for_each_head(name: str, choice: str) -> None:
    found = built(name, choice=choice)
    assert found.rows
    assert {len(row) for row in found.rows} == {len(found.heads)}
    assert found.name == name


@pytest.mark.parametrize("name", TABLES)
def test_without_stories_a_table_is_empty(name: str) -> None:
    found = table(name, None, OPERATORS)
    assert (found.heads, found.rows, found.columns) == ((), (), [])


def test_names_of_submitters_are_only_for_operators() -> None:
    shown, hidden = built("submitters"), built("submitters", OVERSEERS)
    assert (shown.rows[0][0].value, shown.note) == (PERSON, "")
    assert [row[0].value for row in hidden.rows][:2] == ["Submitter 1", "Submitter 2"]
    assert [row[1:] for row in hidden.rows] == [row[1:] for row in shown.rows]
    assert hidden.note
    assert shown.title == hidden.title == "Submitters"


@pytest.mark.parametrize("name", TABLES)
def test_no_other_table_names_a_submitter(name: str) -> None:
    assert PERSON not in str(built(name, OVERSEERS))


def test_lines_are_compared_with_the_period_before() -> None:
    topics = built("topics")
    assert topics.heads == ("Topic", "Stories", "Previous", "Change", "Diggs", "Became popular")
    assert [cell.text for cell in topics.rows[0]] == [
        "Harbours",
        "75",
        "40",
        "+88%",
        "1,200",
        "40.0%",
    ]
    assert built("topics", choice="all").heads[1:] == ("Stories", "Diggs", "Became popular")


def test_the_heads_in_files_say_what_the_numbers_are() -> None:
    topics, media = built("topics"), built("media")
    assert topics.file_heads == (
        *("Topic", "Stories", "Previous period", "Change in percent", "Diggs"),
        "Became popular, percent of reviewed stories",
    )
    assert media.heads == ("Media", "Stories", "Share", "Previous share")
    assert media.file_heads[2:] == ("Share in percent", "Previous share in percent")
    assert built("stories").file_heads[2] == "Submitted (UTC)"


def test_a_table_with_more_rows_than_the_page_says_how_many() -> None:
    def notes(count: int, most: int = 1_000, note: str = "") -> str:
        rows = ((number(1),),) * count
        return Table(name="t", title="T", heads=("n",), rows=rows, note=note, most=most).notes

    assert (notes(10), notes(3, note="No names.")) == ("", "No names.")
    assert notes(11) == "First 10 of 11; the CSV file has all."
    cut = "First 10; the CSV file has the first 1,000. No names."
    assert notes(1_000, note="No names.") == cut
    assert notes(100, most=100).startswith("First 10; the CSV file has the first 100.")
    assert built("stories").notes == "Rejected stories are left out."


def test_the_share_of_a_topic_is_that_of_its_reviewed_stories() -> None:
    topics = (line("Harbours", 10, 0, popular=2, submitted=6), line("New", 3, 0, submitted=3))
    rows = table("topics", report(topics=topics), OPERATORS).rows
    assert [row[-1].text for row in rows] == ["50.0%", "\u2013"]


def test_media_are_shares() -> None:
    assert [[cell.text for cell in row] for row in built("media").rows] == [
        ["News", "120", "80.0%", "83.3%"],
        ["Videos", "30", "20.0%", "16.7%"],
    ]


def test_stories_link_to_their_page() -> None:
    rows = built("stories").rows
    assert (rows[0][0].text, rows[0][0].address) == ("A ferry captain", "/stories/0/")


@pytest.mark.parametrize("key", ["text", None, -1, 1.5, True])
def test_a_document_of_another_program_has_no_link(key: object) -> None:
    odd = {"_id": key, "title": ["x"], "topic": "x", "diggs": "many", "submit_date": "soon"}
    (row,) = table("stories", report(stories=(odd,)), OPERATORS).rows
    assert [cell.text for cell in row] == ["No title", "No topic", "", "0", "0"]
    assert row[0].address == ""
