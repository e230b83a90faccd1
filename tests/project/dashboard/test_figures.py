"""The figures, each beside the same figure of the previous period."""

import pytest

from project.dashboard.figures import figures, median_minutes
from project.dashboard.periods import CHOICES
from project.dashboard.report import Sides
from tests.support.reports import group, report


def test_each_figure_is_compared_with_the_period_before() -> None:
    found = {each.name: each for each in figures(report())}
    assert [*found] == [
        *("Stories", "Diggs", "Comments", "Became popular", "Time to popular", "Rejected")
    ]
    stories, popular = found["Stories"], found["Became popular"]
    assert (stories.shown, stories.change, stories.before) == ("146", "+143%", "60")
    assert (popular.shown, popular.change, popular.before) == ("41.1%", "+41.1 points", "0.0%")
    wait = found["Time to popular"]
    assert (wait.shown, wait.change, wait.before) == (
        "2 h 5 min",
        "1 h 15 min faster",
        "3 h 20 min",
    )
    assert (found["Diggs"].change, found["Diggs"].css) == ("\u221211%", "sf-same")
    assert found["Stories"].css == "sf-up"
    assert {found[name].css for name in ("Comments", "Rejected")} == {"sf-same"}
    assert {name: each.icon for name, each in found.items() if each.icon} == {
        **dict.fromkeys(("Stories", "Became popular"), "arrow-up"),
        "Diggs": "arrow-down",
    }
    assert (popular.note, wait.note, stories.note) == ("of submitted stories", "median", "")


def test_without_a_period_before_nothing_is_compared() -> None:
    for each in figures(report(CHOICES["all"])):
        assert (each.change, each.before, each.before_value) == ("", "", ""), each.name


def test_a_period_before_without_stories_is_no_error() -> None:
    found = {each.name: each for each in figures(report(days=Sides(report().days.now, ())))}
    assert (found["Stories"].change, found["Stories"].before) == ("new", "0")
    assert (found["Became popular"].change, found["Became popular"].before) == ("", "\u2013")


@pytest.mark.parametrize(
    ("minutes", "median"),
    [
        ({}, None),
        ({None: 7}, None),
        ({-5: 7}, None),
        ({10: 1}, 10),
        ({10: 1, 20: 1}, 10),
        ({10: 1, 20: 1, 30: 1}, 20),
        ({10.0: 1, 700: 2, -1: 100, None: 100}, 700),
    ],
)
def test_the_median_leaves_out_stories_that_never_became_popular(
    minutes: dict[float | None, int], median: int | None
) -> None:
    groups = [group(each, documents=count) for each, count in minutes.items()]
    assert median_minutes(groups) == median
