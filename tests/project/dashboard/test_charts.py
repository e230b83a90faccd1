"""The chart of the dashboard: topics in columns, and the previous period as a line."""

from datetime import date

from cdc.reports import Unit
from project.dashboard.charts import (
    chart_of,
    columns_of,
    label_of,
    name_of,
    totals_before,
)
from project.dashboard.periods import CHOICES
from project.dashboard.report import Sides
from tests.support.reports import group, moment, report


def test_topics_are_series_and_the_others_are_last() -> None:
    railways, harbours, other = columns_of(report(CHOICES["7"]))
    names = (railways.name, harbours.name, other.name)
    assert names == ("Railways", "Harbours", "Other topics")
    assert harbours.values == other.values == [1, 2, 3, 4, 1, 2, 3]
    assert set(railways.values) == {0}


def test_a_topic_has_the_same_place_and_colour_in_every_period() -> None:
    """Railways has no story in these periods, and Weather has the most."""
    charted = ("Railways", "Harbours", "Weather")
    drawn = []
    for name in ("7", "30"):
        first = report(CHOICES[name]).span.columns[0]
        counts = [group(moment(first), topic, documents=9) for topic in ("Weather", "Harbours")]
        found = report(CHOICES[name], charted=charted, days=Sides((*counts, counts[0]), ()))
        drawn.append([(layer.number, layer.name) for layer in chart_of(found).layers])
    assert drawn == [[(1, "Railways"), (2, "Harbours"), (3, "Weather")]] * 2


def test_without_topics_all_stories_have_the_colour_of_the_others() -> None:
    (layer,) = chart_of(report(CHOICES["7"], charted=())).layers
    assert (layer.number, layer.name) == (6, "Other topics")


def test_the_period_before_is_a_line_only_if_there_is_one() -> None:
    assert totals_before(report(CHOICES["7"])) == [2] * 7
    assert totals_before(report(CHOICES["all"])) == []
    assert chart_of(report(CHOICES["all"])).line == ""
    assert chart_of(report(CHOICES["7"])).line.count(",") == 7


def test_tooltips_and_summary_have_the_numbers() -> None:
    chart = chart_of(report(CHOICES["7"]))
    assert chart.slots[1].title == (
        "26 Mar 2010: 4 stories\nPrevious period: 2\nHarbours 2\nOther topics 2"
    )
    assert chart.summary == (
        "32 stories from 25 Mar 2010 to 31 Mar 2010, by day. Maximum: 8, 28 Mar 2010. "
        "Previous period: 14 stories."
    )


def test_the_day_that_has_not_ended_is_labelled() -> None:
    found = chart_of(report(CHOICES["7"]), date(2010, 3, 31))
    assert found.marks[-1].text == "Today"
    assert found.slots[-1].title.startswith("31 Mar 2010: 6 stories so far\n")
    assert "so far" not in found.slots[-2].title
    assert found.summary.endswith("Today is incomplete.")
    for later in (date(2010, 4, 1), date(2026, 1, 1)):
        ended = chart_of(report(CHOICES["7"]), later)
        assert (ended.marks[-1].text, ended.partial) == ("31 Mar", None)


def test_stories_with_a_date_of_another_type_are_not_drawn() -> None:
    odd = (group(None, "Harbours", documents=3), group(moment(date(1999, 1, 1)), None, documents=1))
    days = Sides((*odd, group(moment(date(2010, 3, 31)), "Harbours", documents=1)), odd[:1])
    found = report(CHOICES["7"], days=days)
    assert [each.values[-1] for each in columns_of(found)] == [0, 1]
    assert totals_before(found) == [0] * 7
    chart_of(found)


def test_columns_are_named_by_their_unit() -> None:
    day = date(2010, 3, 1)
    assert [label_of(day, unit) for unit in Unit] == ["1 Mar", "1 Mar", "Mar 2010", "2010"]
    names = ["1 Mar 2010", "Week of 1 Mar 2010", "Mar 2010", "2010"]
    assert [name_of(day, unit) for unit in Unit] == names
