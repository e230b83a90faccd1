"""The figures, each beside the same figure of the previous period."""

import pytest

from project.dashboard.figures import figures, median_minutes
from project.dashboard.periods import CHOICES
from project.dashboard.report import Sides
from tests.support.reports import group, report


def test_each_figure_is_compared_with_the_period_before() -> None:
    found = {each.name: each for each in figures(report())}
    assert [*found] == [
        *("Stories", "Diggs", "Comments", "Became popular", "Time to popular"),
        "Rejected",
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
    assert {name: each.icon for name, each in found.items() if each.icon} == {
        **dict.fromkeys(("Stories", "Became popular"), "arrow-up"),
        **dict.fromkeys(("Diggs", "Time to popular"), "arrow-down"),
    }
    assert (popular.note, wait.note, stories.note) == ("of reviewed stories", "median", "")


def test_only_a_change_that_is_good_or_bad_has_a_colour() -> None:
    slower = figures(report(minutes=Sides((group(250, documents=1),), report().minutes.before)))
    assert {each.css for each in figures(report()) if each.css != "sf-same"} == {"sf-up"}
    coloured = {each.name: (each.css, each.icon) for each in slower if each.css != "sf-same"}
    assert coloured == {
        "Became popular": ("sf-up", "arrow-up"),
        "Time to popular": ("sf-down", "arrow-up"),
    }


@pytest.mark.parametrize(("minutes", "css"), [(219, "sf-same"), (220, "sf-down"), (180, "sf-up")])
def test_a_change_below_a_tenth_of_the_time_has_no_colour(minutes: int, css: str) -> None:
    now = (group(minutes, documents=1),)
    found = figures(report(minutes=Sides(now, report().minutes.before)))
    assert {each.css for each in found if each.name == "Time to popular"} == {css}


@pytest.mark.parametrize(("popular", "css"), [(909, "sf-same"), (910, "sf-up"), (890, "sf-down")])
def test_a_change_below_a_point_of_the_share_has_no_colour(popular: int, css: str) -> None:
    days = Sides(
        (group(None, documents=1_000, popular=popular),),
        (group(None, documents=1_000, popular=900),),
    )
    found = figures(report(days=days))
    assert {each.css for each in found if each.name == "Became popular"} == {css}


def test_stories_that_wait_for_a_review_do_not_lower_the_share_of_popular_ones() -> None:
    now = (group(None, documents=10, submitted=6, popular=1, upcoming=3),)
    before = (group(None, documents=40, submitted=0, popular=10, upcoming=30),)
    found = {each.name: each for each in figures(report(days=Sides(now, before)))}["Became popular"]
    assert (found.shown, found.before, found.change) == ("25.0%", "25.0%", "no change")
    waiting = (group(None, documents=6, submitted=6),)
    found = {each.name: each for each in figures(report(days=Sides(waiting, before)))}[
        "Became popular"
    ]
    assert (found.shown, found.before, found.change) == ("\u2013", "25.0%", "")


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
