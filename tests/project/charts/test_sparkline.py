"""Sparklines: the largest value is at the top, and the line has a name."""

from xml.etree import ElementTree as ET

from django.template.loader import render_to_string
from django.test import override_settings

from project.charts.sparkline import Sparkline, sparkline


def drawn(chart: Sparkline) -> ET.Element:
    html = render_to_string("charts/sparkline.html", {"chart": chart})
    assert "style" not in html
    return ET.fromstring(html)  # noqa: S314 -- our own template


def test_the_line_is_scaled_to_the_largest_value() -> None:
    chart = sparkline([0, 1.5, 3], summary="Changes", titles=["a", "b", "<c>"])
    assert (chart.points, chart.width) == ("5,40 15,21 25,2", 30)
    assert chart.area == "M5 40L5,40 15,21 25,2V40z"
    root = drawn(chart)
    assert (root.get("role"), root.get("aria-label")) == ("img", "Changes")
    assert [each.text for each in root.iter("title")] == ["a", "b", "<c>"]


def test_an_exceptional_value_does_not_flatten_the_line() -> None:
    chart = sparkline([2, 4, 4, 2, 900, 4], summary="")
    assert chart.points == "5,21 15,2 25,2 35,21 45,2 55,2"
    # Only the exceptional point at the top has a break.
    assert chart.breaks == "M35 12l20 -4v4l-20 4z"
    assert any(path.get("d") == chart.breaks for path in drawn(chart).iter("path"))


def test_a_usual_hour_has_no_break() -> None:
    chart = sparkline([2, 4, 4, 2, 4, 4], summary="")
    assert chart.breaks == ""
    assert len(list(drawn(chart).iter("path"))) == 1


def test_a_quiet_hour_is_a_flat_line_without_colour() -> None:
    quiet, busy = sparkline([0, 0], summary=""), sparkline([0, 1], summary="")
    assert (quiet.points, quiet.quiet, busy.quiet) == ("5,40 15,40", True, False)
    assert "sf-chart-quiet" in (drawn(quiet).get("class") or "")
    assert "sf-chart-quiet" not in (drawn(busy).get("class") or "")


def test_no_value_and_one_value_are_drawn() -> None:
    for values in ([], [7]):
        drawn(sparkline(values, summary="none"))


@override_settings(USE_THOUSAND_SEPARATOR=True, LANGUAGE_CODE="de")
def test_no_locale_changes_a_coordinate() -> None:
    root = drawn(sparkline([1] * 200, summary="", titles=["t"] * 200))
    assert root.get("viewBox") == "0 0 2000 40"
    assert all((each.get("x") or "").isdigit() for each in root.iter("rect"))
