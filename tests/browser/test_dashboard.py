"""The dashboard in a browser: pick a period, compare, export a table and print."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from project.dashboard import cache
from project.pages import feed_state
from tests.browser.conftest import Visitor, new_context, watched
from tests.browser.looking import CUT_OFF, EXCESS_WIDTH, violations
from tests.support.latest import patient
from tests.support.reports import line, report
from tests.support.status import healthy_status
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HEIGHTS = "(all) => all.map((each) => each.offsetHeight)"
SHORTENED = """
(names) => names.filter(
  (each) => each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight
).map((each) => each.textContent)
"""
"""Returns the names that end with an ellipsis."""
OVERLAPS = """
[...document.querySelectorAll(".sf-figure")].filter((figure) => {
  const parts = [...figure.children].map((each) => each.getBoundingClientRect());
  return parts.some((each, place) => place && each.top < parts[place - 1].bottom - 1);
}).map((figure) => figure.textContent)
"""
"""Returns the figures of which one line covers another."""
SHOWN = "(selector) => document.querySelector(selector).checkVisibility()"


def test_management_picks_a_period_compares_exports_and_prints(
    visitor: Visitor, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache.reports, "read", report)
    monkeypatch.setattr(feed_state.feed, "latest", patient(healthy_status))
    page = visitor.page
    visitor.log_in(people["senior_management"])

    page.get_by_role("link", name="7 days").click()
    expect(page).to_have_url(f"{visitor.url}/senior_management/?days=7")
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    expect(page.get_by_text("compared with 18 \u2013 24 Mar 2010")).to_be_visible()
    stories = page.locator(".sf-figure").filter(has=page.get_by_text("Stories", exact=True))
    expect(stories).to_contain_text("32")
    expect(stories).to_contain_text("+129%")
    expect(stories).to_contain_text("was 14")
    chart = page.get_by_role("img", name="32 stories from 25 Mar 2010 to 31 Mar 2010")
    expect(chart).to_be_visible()
    expect(page.locator(".sf-chart-slot title").first).to_contain_text("25 Mar 2010: 2 stories")

    assert topics(page) == ["Harbours", "No topic"]
    prints(page)


def topics(page: Page) -> list[str]:
    """Download the topics and return them."""
    with page.expect_download() as started:
        page.get_by_role("link", name="Topics as CSV").click()
    file = started.value
    assert file.suggested_filename == "storyfeed-topics-2010-03-25-to-2010-03-31.csv"
    text = Path(file.path()).read_text("utf-8-sig")
    head, *rows = csv.reader(text.splitlines())
    assert head[:3] == ["Topic", "Stories", "Previous period"]
    return [row[0] for row in rows]


def prints(page: Page) -> None:
    """Print the page. The paper has the figures, and no navigation."""
    page.evaluate("window.print = () => { document.title = 'printed' }")
    page.get_by_role("button", name="Print").click()
    expect(page).to_have_title("printed")
    page.emulate_media(media="print", color_scheme="dark")
    for selector in ("header", ".sf-chips", ".sf-csv", "[data-print]"):
        assert not page.evaluate(SHOWN, selector), selector
    for selector in ("h1", ".sf-period", ".sf-figures", ".sf-chart-box", ".sf-tables"):
        assert page.evaluate(SHOWN, selector), selector
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_a_phone_shows_whole_names_and_buttons_of_full_height(
    visitor: Visitor, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("northline-weekly.example", "x" * 255)
    sites = tuple(line(name, 1_000, 10, diggs=90_000) for name in names)
    monkeypatch.setattr(cache.reports, "read", lambda choice: report(choice, sites=sites))
    monkeypatch.setattr(feed_state.feed, "latest", patient(healthy_status))
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.log_in(people["senior_management"])
    visitor.open("/senior_management/?days=30")
    assert page.locator(".sf-page-head .btn").evaluate_all(HEIGHTS) == [28]
    assert page.locator("th > .sf-truncate").evaluate_all(SHORTENED) == ["x" * 255]
    for width in (390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(OVERLAPS) == []


def test_the_table_beneath_the_chart_is_accessible_and_fits_a_phone(
    browser: Browser, site: str, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache.reports, "read", report)
    monkeypatch.setattr(feed_state.feed, "latest", patient(healthy_status))
    context = new_context(browser, bypass_csp=True, reduced_motion="reduce")
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["superuser"])
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.open("/senior_management/?days=90&until=soon")
    visitor.page.get_by_text("The same numbers as a table").click()
    expect(visitor.page.get_by_text("“soon” is not a date")).to_be_visible()
    assert visitor.page.evaluate(EXCESS_WIDTH) <= 0
    assert visitor.page.evaluate(CUT_OFF) == []
    assert violations(visitor) == []
    context.close()
