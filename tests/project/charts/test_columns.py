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
    return html, ET.fromstring(f"<div>{html}</div>")  # noqa: S314 -- our own template


def test_series_are_stacked_without_a_gap() -> None:
    lower, upper = chart([[10, 0], [10, 4]]).layers
    assert (lower.path, upper.path) == ("M1 200V100h8V200z", "M1 100V0h8V100zM11 200V160h8V200z")
    assert (lower.number, upper.number, upper.name) == (1, 2, "Topic 1")


def test_a_series_can_have_its_own_colour() -> None:
    series = [Series("Others", [1], 6), Series("Topic", [1])]
    found = column_chart(series, labels=["1 Mar"], titles=["1 Mar"], summary="")
    assert [layer.number for layer in found.layers] == [6, 2]


def test_a_small_value_is_visible_and_zero_is_not() -> None:
    assert chart([[100_000, 1, 0]]).layers[0].path == "M1 200V0h8V200zM11 200V199h8V200z"


def test_an_exceptional_column_has_a_break_and_its_number() -> None:
    found = chart([[5, 6, 7, 8, 6, 700], [0, 0, 0, 0, 0, 700]])
    assert [tick.text for tick in found.ticks] == ["0", "2", "4", "6", "8"]
    assert [(peak.text, peak.place) for peak in found.peaks] == [("1,400", "91.67%")]
    assert found.breaks == "M51 16l8 -4v4l-8 4z"
    lower, upper = (layer.path for layer in found.layers)
    assert lower.endswith("M51 200V100h8V200z")
    assert upper == "M51 100V0h8V100z"
    html, root = drawn(found)
    assert "sf-chart-break" in html
    assert "Columns with a break are taller than the scale." in html
    assert [each.text for each in root.iter("text") if each.get("class") == "sf-chart-peak"] == [
        "1,400"
    ]


def test_without_an_exceptional_column_nothing_is_broken() -> None:
    found = chart([[5, 6, 7, 8, 6, 12]])
    assert (found.peaks, found.breaks) == ((), "")
    assert "sf-chart-break" not in drawn(found)[0]


def test_the_numbers_above_columns_do_not_overlap() -> None:
    values = [5] * 30
    values[3], values[4], values[20] = 900, 1_000, 800
    assert [peak.text for peak in chart([values]).peaks] == ["1,000", "800"]
    assert chart([values]).breaks.count("M") == 3


def test_an_exceptional_value_of_the_period_before_stays_inside() -> None:
    found = chart([[5, 6, 7, 8, 6]], before=(5, 6, 7, 8, 900))
    assert found.line.endswith(",0")
    assert found.peaks == ()


def test_the_last_column_may_be_unfinished() -> None:
    day = [Series("Topic", [1] * 30)]
    labels = [f"{number} Mar" for number in range(1, 31)]
    found = column_chart(day, labels=labels, titles=labels, summary="", unfinished="Today")
    assert found.partial == 290
    texts = [mark.text for mark in found.marks]
    assert texts[-2:] == ["25 Mar", "Today"]
    # A label in the middle of the last column would leave the drawing.
    assert (found.marks[-1].place, found.marks[-1].anchor) == ("100%", "end")
    assert [mark.minor for mark in found.marks[-3:]] == [True, True, False]
    assert "sf-chart-partial" in drawn(found)[0]
    assert "Today, so far" in render_to_string("charts/_legend.html", {"chart": found})
    finished = column_chart(day, labels=labels, titles=labels, summary="")
    assert finished.partial is None
    assert "sf-chart-partial" not in drawn(finished)[0]
    assert "so far" not in render_to_string("charts/_legend.html", {"chart": finished})


def test_the_line_of_the_period_before_shares_the_axis() -> None:
    found = chart([[1, 2]], before=(40, 0))
    assert (found.line, found.ticks[-1].text) == ("5,0 15,200", "40")
    assert "sf-chart-before" in drawn(found)[0]
    assert "sf-chart-before" not in drawn(chart([[1, 2]]))[0]


def test_labels_are_in_the_middle_of_their_column_and_never_crowded() -> None:
    assert [mark.place for mark in chart([[1, 2]]).marks] == ["25.00%", "75.00%"]
    assert [mark.anchor for mark in chart([[1] * 25]).marks][-2:] == ["middle", "end"]
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


def test_the_labels_below_the_columns_can_be_chosen() -> None:
    minutes = [f"10:{minute}" for minute in range(10, 20)]
    found = column_chart(
        [Series("Changes", [1] * 10)], labels=minutes, titles=minutes, summary="", marked=(0, 5)
    )
    assert [(mark.text, mark.place) for mark in found.marks] == [
        ("10:10", "5.00%"),
        ("10:15", "55.00%"),
    ]


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


def test_a_line_that_does_not_fit_on_the_scale_is_explained() -> None:
    note = "Where the line runs along the top, its value is higher than the scale."
    cut = chart([[10] * 20], before=(10,) * 19 + (500,))
    assert cut.line.endswith(" 195,0")
    html = render_to_string("charts/columns.html", {"chart": cut})
    assert note in html
    assert "Columns with a break" not in html
    assert note not in render_to_string(
        "charts/columns.html", {"chart": chart([[10] * 20], before=(12,) * 20)}
    )
