"""Column charts: stacked columns, a comparison line, tooltips and a horizontal axis."""

import re
from xml.etree import ElementTree as ET

from django.template.loader import render_to_string
from django.test import override_settings

from project.charts.columns import ColumnChart, Series, column_chart


def chart(values: list[list[int]], before: tuple[int, ...] = ()) -> ColumnChart:
    days = [f"{number + 1} Mar" for number in range(len(values[0]))]
    return column_chart(
        [Series(f"Topic {number}", each) for number, each in enumerate(values)],
        labels=days,
        titles=[f"{day}: <b>" for day in days],
        summary='Stories per day. "Most" on 1 Mar.',
        before=before,
    )


def drawn(found: ColumnChart) -> tuple[str, ET.Element]:
    html = render_to_string("charts/columns.html", {"chart": found})
    return html, ET.fromstring(html)  # noqa: S314 -- our own template


def test_series_are_stacked_without_a_gap() -> None:
    lower, upper = chart([[10, 0], [10, 4]]).layers
    assert (lower.path, upper.path) == ("M1 200V100h8V200z", "M1 100V0h8V100zM11 200V160h8V200z")
    assert (lower.number, upper.number, upper.name) == (1, 2, "Topic 1")


def test_a_small_value_is_visible_and_zero_is_not() -> None:
    assert chart([[100_000, 1, 0]]).layers[0].path == "M1 200V0h8V200zM11 200V199h8V200z"


def test_the_line_of_the_period_before_shares_the_axis() -> None:
    found = chart([[1, 2]], before=(40, 0))
    assert (found.line, found.ticks[-1].text) == ("5,0 15,200", "40")
    assert "sf-chart-before" in drawn(found)[0]
    assert "sf-chart-before" not in drawn(chart([[1, 2]]))[0]


def test_labels_are_in_the_middle_of_their_column_and_never_crowded() -> None:
    assert [mark.place for mark in chart([[1, 2]]).marks] == ["25.00%", "75.00%"]
    for columns in (7, 30, 53, 90, 200):
        marks = chart([[1] * columns]).marks
        assert 4 <= len(marks) <= 8
        assert [mark.minor for mark in marks][:4] == [False, True, False, True]


def test_a_drawing_has_a_name_tooltips_and_no_style() -> None:
    html, root = drawn(chart([[1, 2]], before=(3, 4)))
    plot = next(each for each in root.iter("svg") if each.get("role") == "img")
    assert plot.get("aria-label") == 'Stories per day. "Most" on 1 Mar.'
    assert [each.text for each in root.iter("title")] == ["1 Mar: <b>", "2 Mar: <b>"]
    assert "style" not in html


def test_an_empty_chart_is_drawn() -> None:
    empty = column_chart([], labels=[], titles=[], summary="No stories.")
    assert (empty.width, [tick.text for tick in empty.ticks]) == (10, ["0", "1"])
    drawn(empty)


@override_settings(USE_THOUSAND_SEPARATOR=True, LANGUAGE_CODE="de")
def test_no_locale_changes_a_coordinate() -> None:
    html, _ = drawn(chart([[1] * 400], before=(1,) * 400))
    numbers = re.findall(r'(?:x|y|width|height|viewBox|x1|x2|y1|y2)="([^"]*)"', html)
    assert "0 0 4000 200" in numbers
    assert [each for each in numbers if not re.fullmatch(r"[\d ]+|\d+(\.\d\d)?%", each)] == []
