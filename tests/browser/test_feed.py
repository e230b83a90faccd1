"""The live feed in a real browser, with a real web process, relay and Kafka."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from cdc.conf import CdcSettings
from stories.models import Story
from tests.acceptance.conftest import environment
from tests.browser.conftest import Visitor, new_context, watched
from tests.browser.looking import EXCESS_WIDTH, WIDTHS, violations
from tests.cdc.feed.records import update
from tests.support.builders import outgoing
from tests.support.processes import Daemon
from tests.support.web import Topic, Web
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.django_db(transaction=True)]
ROWS = "#changes > [data-row]"
MOST_AT_ONCE = 12
WATCH = """() => {
  window.longest = 0; window.most = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    window.longest = Math.max(window.longest, entry.duration);
  })).observe({ entryTypes: ["longtask"] });
  const rows = new MutationObserver((changes) => {
    const added = changes.reduce((sum, change) => sum + change.addedNodes.length, 0);
    window.most = Math.max(window.most, added);
  });
  rows.observe(document.getElementById("changes"), { childList: true });
}"""


@pytest.fixture
def site(
    transactional_db: None, topic: Topic, feed_settings: CdcSettings, tmp_path: Path
) -> Iterator[str]:
    # A browser has at most three streams. The fourth is a stream that is being closed.
    env = {**environment(feed_settings, tmp_path), "FEED_STREAMS_PER_ACCOUNT": "4"}
    with Web(tmp_path / "web.log", env) as web:
        yield web.url


@pytest.fixture
def relay(site: str, feed_settings: CdcSettings, tmp_path: Path) -> Iterator[Daemon]:
    relay = Daemon(tmp_path / "relay.log", environment(feed_settings, tmp_path), "relay_outbox")
    yield relay
    relay.kill()


@pytest.fixture
def page(visitor: Visitor, people: dict[str, User], topic: Topic) -> Page:
    """Return a Technical Worker's live feed with three changes."""
    topic.publish(3)
    visitor.log_in(people["technical_worker"])
    return opened(visitor)


def opened(visitor: Visitor, query: str = "") -> Page:
    visitor.open(f"/feed/{query}")
    expect(visitor.page.locator("#state")).to_contain_text("Live")
    return visitor.page


def shown(page: Page) -> list[dict[str, Any]]:
    """Return the content of the rows, newest first."""
    rows: list[dict[str, Any]] = page.locator(ROWS).evaluate_all(
        """(rows) => rows.map((row) => ({
          at: row.dataset.change,
          key: row.querySelector("[data-key]").textContent,
          title: row.querySelector("[data-title]").textContent,
        }))"""
    )
    return rows


def titled(topic: Topic, first: int, count: int, stories: int) -> list[str]:
    """Publish `count` updates of `stories` stories in turn. Return the titles."""
    events = [
        update(n % stories + 1, n + 1_000, title=f"t{n}") for n in range(first, first + count)
    ]
    topic.send([outgoing(event, topic.name) for event in events])
    return [f"t{n}" for n in range(first, first + count)]


def test_a_change_in_one_window_is_a_row_in_another(
    page: Page,
    relay: Daemon,
    browser: Browser,
    people: dict[str, User],
    stories: list[Story],
    record_property: Any,
) -> None:
    expect(page.locator(ROWS)).to_have_count(3)
    url = page.url.removesuffix("/feed/")
    context = new_context(browser)
    other = watched(context.new_page(), url)
    other.log_in(people["superuser"])
    other.open(f"/admin/stories/story/{stories[0].pk}/change/")
    relay.wait_for("relay.started")
    other.page.get_by_label("Title").fill("<img src=x onerror=alert(1)>\u202e")
    began = time.monotonic()
    other.page.get_by_role("button", name="Save", exact=True).first.click()
    expect(other.page.locator(".messagelist")).to_contain_text("was changed successfully")
    row = page.locator(ROWS).filter(has_text="onerror")
    expect(row).to_have_count(1)
    record_property("seconds", round(time.monotonic() - began, 2))
    expect(row).to_contain_text("Updated")
    expect(row.locator("del").first).to_contain_text(stories[0].title)
    expect(row.locator("ins").first).to_contain_text("<img src=x onerror=alert(1)>\\u202e")
    expect(row.get_by_role("link").first).to_have_attribute("href", f"/stories/{stories[0].pk}/")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row.get_by_text("Details").click()
    expect(row.locator("pre")).to_contain_text('"op": "u"')
    row.get_by_role("button", name="Copy JSON").click()
    expect(row.get_by_role("button", name="Copied")).to_be_visible()
    assert "onerror" in page.evaluate("navigator.clipboard.readText()")
    assert not other.complaints
    context.close()


def test_pause_scroll_and_filter(page: Page, topic: Topic) -> None:
    page.locator("body").press("Space")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    titled(topic, 0, 37, stories=5)
    expect(page.locator("#pause")).to_have_text("Resume (37 new)")
    expect(page.locator(ROWS)).to_have_count(3)
    page.locator("body").press("Space")
    expect(page.locator(ROWS)).to_have_count(40)
    page.mouse.wheel(0, 1_000)
    expect(page.locator("#top")).not_to_be_in_viewport()
    titled(topic, 100, 2, stories=5)
    page.get_by_role("button", name="2 new").click()
    expect(page.locator(ROWS)).to_have_count(42)
    page.get_by_text("Filter and jump").click()
    page.get_by_label("Story").fill("3")
    page.get_by_label("Changed field").fill("title")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile("story=3&field=title"))
    expect(page.locator("#state")).to_contain_text("Live")
    before = page.locator(ROWS).count()
    titled(topic, 200, 10, stories=5)
    expect(page.locator(ROWS)).to_have_count(before + 2)
    assert {row["key"] for row in shown(page)} == {"#3"}


def test_a_jump_lands_on_its_change(page: Page, topic: Topic) -> None:
    titled(topic, 0, 60, stories=5)
    expect(page.locator(ROWS)).to_have_count(63)
    places = [row["at"] for row in shown(page)]
    feed = page.url
    for place in (places[31], places[-1]):
        partition, offset = place.split(":")
        page.goto(f"{feed}?partition={partition}&offset={offset}#asked")
        expect(page.locator(f'[data-change="{place}"]')).to_be_in_viewport()


def test_a_burst_and_a_cut_network_lose_nothing(
    context: BrowserContext,
    browser: Browser,
    site: str,
    people: dict[str, User],
    topic: Topic,
    record_property: Any,
) -> None:
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["technical_worker"])
    page = opened(visitor)
    page.evaluate(WATCH)
    titles = titled(topic, 0, 500, stories=20)
    expect(page.locator(ROWS)).to_have_count(500)
    rows = shown(page)[::-1]
    assert sorted(row["title"] for row in rows) == sorted(titles)
    for key in {row["key"] for row in rows}:
        mine = [int(row["title"][1:]) for row in rows if row["key"] == key]
        assert mine == sorted(mine)
    assert page.evaluate("window.most") <= MOST_AT_ONCE
    record_property("longest_task_ms", page.evaluate("window.longest"))
    assert not visitor.complaints

    context.set_offline(True)
    expect(page.locator("#state")).to_contain_text("lost")
    missed = titled(topic, 1_000, 60, stories=20)
    context.set_offline(False)
    late = page.locator(f"{ROWS} [data-title]").filter(has_text=re.compile(r"^t1\d{3}$"))
    expect(late).to_have_count(len(missed))
    expect(page.locator("#state")).to_contain_text("Live")
    new = [row["title"] for row in shown(page) if len(row["title"]) == 5]
    assert sorted(new) == sorted(missed)
    assert len({row["at"] for row in shown(page)}) == 500
    assert page.locator(".sf-gap").count() == 0


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
FILTERS = ("?op=u", "?story=1", "?story=2", "?field=title", "?op=c")
"""More filters than a browser has streams."""
PAGES = 7
"""One page more than a browser has connections for a site."""


def assert_has(page: Page, titles: list[str]) -> None:
    """Wait until a page has these changes. Assert that it has each change once."""
    expect(page.locator(ROWS)).to_have_count(len(titles))
    rows = shown(page)
    assert sorted(row["title"] for row in rows) == sorted(titles)
    assert len({row["at"] for row in rows}) == len(rows)


def hide(page: Page, hidden: bool) -> None:
    page.evaluate(HIDE, arg=hidden)


def assert_navigable(visitors: list[Visitor]) -> None:
    for visitor in visitors:
        visitor.open("/stories/")
        expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
        assert not visitor.complaints


def test_pages_share_a_stream_and_leave_connections_for_the_site(
    browser: Browser, site: str, people: dict[str, User], topic: Topic
) -> None:
    context = new_context(browser)
    visitors = [watched(context.new_page(), site) for _ in range(PAGES)]
    visitors[0].log_in(people["technical_worker"])
    titles: list[str] = []
    for number, visitor in enumerate(visitors):
        opened(visitor)
        titles += titled(topic, 10 * number, 10, stories=5)
    first, *others = [visitor.page for visitor in visitors]
    for page in (first, *others):
        assert_has(page, titles)
    hide(first, hidden=True)
    more = titled(topic, 1_000, 10, stories=5)
    for page in others:
        assert_has(page, titles + more)
    assert len(shown(first)) == len(titles)
    hide(first, hidden=False)
    assert_has(first, titles + more)
    assert_navigable(visitors)
    context.close()


def test_hidden_pages_without_a_shared_worker_hold_no_connection(
    browser: Browser, site: str, people: dict[str, User], topic: Topic
) -> None:
    """A browser on a phone has no shared worker, but shows only one of its pages at a time."""
    context = new_context(browser)
    context.add_init_script("delete window.SharedWorker")
    visitors = [watched(context.new_page(), site) for _ in range(PAGES)]
    visitors[0].log_in(people["technical_worker"])
    titles: list[str] = []
    for visitor in visitors:
        hide(opened(visitor), hidden=True)
        titles += titled(topic, len(titles), 5, stories=5)
    for visitor in (visitors[0], visitors[-1]):
        hide(visitor.page, hidden=False)
        assert_has(visitor.page, titles)
        hide(visitor.page, hidden=True)
    assert_navigable(visitors)
    context.close()


def test_a_refused_page_waits_as_long_as_the_server_asks(
    browser: Browser, site: str, people: dict[str, User], topic: Topic
) -> None:
    context = new_context(browser)
    context.add_init_script("delete window.SharedWorker")  # so that requests can be intercepted
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["technical_worker"])
    refused: list[tuple[str, float]] = []

    def refuse(route: Route) -> None:
        refused.append((route.request.method, time.monotonic()))
        if len(refused) < 3:
            route.fulfill(status=503, headers={"Retry-After": "2"}, body="")
        else:
            route.continue_()

    context.route("**/feed/stream*", refuse)
    visitor.open("/feed/")
    expect(visitor.page.locator("#state")).to_contain_text("too many readers")
    expect(visitor.page.locator("#state")).to_contain_text("Live")
    methods, times = zip(*refused, strict=True)
    assert methods[:3] == ("GET", "HEAD", "HEAD")
    assert times[2] - times[1] >= 2
    assert all("503" in complaint for complaint in visitor.complaints)
    context.close()


def test_pages_with_many_filters_and_of_two_people(
    browser: Browser, site: str, people: dict[str, User], topic: Topic
) -> None:
    context = new_context(browser)
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["technical_worker"])
    pages = [opened(watched(context.new_page(), site), query) for query in FILTERS]
    titles = titled(topic, 0, 40, stories=4)
    later = titled(topic, 100, 40, stories=4)
    for page, count in zip(pages, (80, 20, 20, 80, 0), strict=True):
        expect(page.locator(ROWS)).to_have_count(count)
        assert len({row["at"] for row in shown(page)}) == count
    assert {row["title"] for row in shown(pages[0])} == {*titles, *later}
    # Otherwise, the verdict would reload the page after the log-out.
    pages[0].route("**/operations/verdict/", lambda route: route.abort())
    visitor.open("/stories/")
    visitor.page.get_by_role("button", name="Account").click()
    visitor.page.get_by_role("button", name="Log out").click()
    visitor.log_in(people["senior_management"])
    opened(visitor)
    topic.send([outgoing(update(7, 5, user={"name": "Secret Person"}, diggs=9), topic.name)])
    row = visitor.page.locator(ROWS).first
    expect(row).to_contain_text("personal field hidden")
    assert "Secret" not in visitor.page.content()
    # The pages of the earlier session get no stream of the new one.
    hide(pages[0], hidden=True)
    hide(pages[0], hidden=False)
    expect(pages[0].locator("#state")).to_contain_text("no longer have access")
    assert not visitor.complaints
    context.close()


def test_management_gets_an_accessible_page_without_personal_fields(
    browser: Browser, site: str, people: dict[str, User], topic: Topic
) -> None:
    topic.send([outgoing(update(7, 5, user={"name": "x"}, diggs=9), topic.name)])
    strict, loose = new_context(browser), new_context(browser, bypass_csp=True)
    visitor = watched(strict.new_page(), site)
    visitor.log_in(people["senior_management"])
    loose.add_cookies(strict.cookies())  # type: ignore[arg-type]
    page = opened(visitor)
    expect(page.locator(ROWS)).to_contain_text("personal field hidden")
    page.get_by_text("Filter and jump").click()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(EXCESS_WIDTH) <= 0, width
    examined = watched(loose.new_page(), site)
    examined.page.emulate_media(reduced_motion="reduce")
    opened(examined, "?op=u")
    assert violations(examined) == []
    assert not visitor.complaints
    strict.close()
    loose.close()
