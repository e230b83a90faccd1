"""The live feed in a real browser, with a real web process, relay and Kafka."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from cdc.conf import CdcSettings
from cdc.models import ConsumerPause, DeadLetter
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
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
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
    # A browser has at most three open streams; a fourth might still be closing.
    env = {**environment(feed_settings, tmp_path), "FEED_STREAMS_PER_ACCOUNT": "4"}
    with Web(tmp_path / "web.log", env, patient=True) as web:
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
    row.locator("[data-short-place]").click()
    drawer = page.get_by_role("dialog", name="Change")
    expect(drawer.locator("pre")).to_contain_text('"op": "u"')
    drawer.get_by_role("button", name="Copy JSON").click()
    expect(drawer.get_by_role("button", name="Copied")).to_be_visible()
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
    page.get_by_role("button", name="Apply filter").click()
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
"""More filters than the streams that a browser may open."""
PAGES = 7
"""One page more than the connections that a browser opens to a site."""


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
    # The pages of the earlier session do not get a stream with the new session.
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


def size(page: Page, wanted: dict[str, int]) -> None:
    page.set_viewport_size(wanted)  # type: ignore[arg-type]


def drawer_of(page: Page) -> Locator:
    return page.locator("#drawer[open]")


def verdict_of(visitor: Visitor, people: dict[str, User]) -> Locator:
    visitor.log_in(people["technical_worker"])
    opened(visitor)
    return visitor.page.locator("#verdict")


# What readers can do on the page, and what it shows.


def test_a_pause_counts_the_changes_that_arrive(page: Page, topic: Topic) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_contain_text("Paused. New changes are collected")
    titled(topic, 0, 12, stories=4)
    expect(page.locator("#pause")).to_have_text("Resume (12 new)")
    expect(page.locator(ROWS)).to_have_count(3)
    page.get_by_role("button", name="Resume (12 new)").click()
    expect(page.locator(ROWS)).to_have_count(15)
    expect(page.locator("#pause")).to_have_text("Pause")


def test_filters_are_in_the_link_and_survive_a_reload(page: Page, topic: Topic) -> None:
    titled(topic, 0, 20, stories=4)
    expect(page.locator(ROWS)).to_have_count(23)
    page.locator("label").filter(has_text="Updated").click()
    expect(page).to_have_url(re.compile(r"/feed/\?op=u#asked$"))
    expect(page.locator(ROWS)).to_have_count(20)
    expect(page.locator("#state")).to_contain_text("Live")
    page.get_by_text("Filter and jump").click()
    page.get_by_label("Title contains").fill("T1")
    page.get_by_label("Topic").fill("people")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?op=u&text=T1&topic=people#asked$"))
    wanted = {"t1", *(f"t{n}" for n in range(10, 20))}
    expect(page.locator(ROWS)).to_have_count(len(wanted))
    page.reload()
    expect(page.locator("#state")).to_contain_text("Live")
    assert {row["title"] for row in shown(page)} == wanted
    expect(page.get_by_role("checkbox", name="Updated")).to_be_checked()
    expect(page.get_by_label("Title contains")).to_have_value("T1")
    titled(topic, 30, 5, stories=4)
    titled(topic, 100, 1, stories=4)
    expect(page.locator(ROWS)).to_have_count(len(wanted) + 1)
    page.get_by_role("link", name="Remove the filter Title contains").click()
    expect(page).to_have_url(re.compile(r"\?op=u&topic=people$"))


def test_a_filter_is_saved_under_a_name_and_removed(page: Page) -> None:
    feed = page.url.partition("?")[0]
    page.goto(f"{feed}?op=u&topic=people")
    page.get_by_text("Filter and jump").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Updated, people")
    page.get_by_label("Name", exact=True).fill("<b>mine</b>")
    page.keyboard.press("Enter")
    saved = page.get_by_role("link", name="<b>mine</b>", exact=True)
    expect(saved).to_have_attribute("aria-current", "true")

    page.goto(feed)
    page.get_by_text("Filter and jump").click()
    expect(page.get_by_role("button", name="Save this filter")).to_have_count(0)
    saved.click()
    expect(page).to_have_url(re.compile(r"/feed/\?op=u&topic=people$"))

    page.get_by_text("Filter and jump").click()
    page.get_by_role("button", name="Remove the saved filter <b>mine</b>").click()
    expect(saved).to_have_count(0)
    expect(page.get_by_role("button", name="Save this filter")).to_be_visible()
    page.goto(feed)
    page.get_by_text("Filter and jump").click()
    expect(page.locator("#saved")).to_be_hidden()


def test_a_filter_that_the_browser_refuses_is_not_said_to_be_saved(page: Page) -> None:
    page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); };")
    page.goto(f"{page.url.partition('?')[0]}?op=u")
    expect(page.locator("#said")).to_have_text("The feed is live.")  # Not said afterwards.
    page.get_by_text("Filter and jump").click()
    page.get_by_role("button", name="Save this filter").click()
    expect(page.locator("#said")).to_have_text("This browser does not save filters.")
    expect(page.locator("#saved-list")).to_be_hidden()


def test_the_filters_that_were_saved_last_are_in_the_toolbar(page: Page) -> None:
    feed = page.url.partition("?")[0]
    for name in ("first", "second", "third"):
        page.goto(f"{feed}?op=u&text={name}")
        page.get_by_text("Filter and jump").click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Save this filter").click()
    page.goto(feed)
    saved = page.get_by_role("list", name="Saved filters").get_by_role("link")
    expect(saved).to_have_text(["third", "second"])
    saved.last.click()
    expect(page).to_have_url(re.compile(r"/feed/\?op=u&text=second$"))
    expect(saved).to_have_count(0)


def test_the_drawer_shows_each_field_before_and_after(page: Page, topic: Topic) -> None:
    title = "<b>bold</b>"
    topic.send([outgoing(update(2, 90, diggs=9, title=title), topic.name)])
    row = page.locator(ROWS).filter(has_text="bold")
    expect(row.locator("[data-fields]")).to_contain_text("title a story → <b>bold</b>")
    expect(row.locator("[data-further]")).to_have_text("+1 field")
    expect(row.locator("[data-rest]")).to_contain_text(re.compile(r"diggs \d+ → 9"))
    row.locator("[data-op]").click()
    changed = drawer_of(page).get_by_role("table", name="Changed fields")
    expect(changed.locator("tbody tr")).to_have_count(2)
    diggs = changed.locator("tr").filter(has_text="diggs")
    expect(diggs.locator("del")).to_have_text("4")
    expect(diggs.locator("ins")).to_have_text("9")
    expect(changed.locator("ins").first).to_contain_text(title)
    expect(drawer_of(page)).to_contain_text("16 unchanged fields")
    expect(page.locator("#drawer-lead")).to_have_text(re.compile(r"^Updated\s*<b>bold</b> #2$"))
    for text, address in {
        "Open the story": "/stories/2/",
        "Replication trace": "/stories/2/way/",
        "All changes of this story": "/feed/?story=2",
        "Open as JSON": f"/feed/{(row.get_attribute('data-change') or '').replace(':', '/')}/",
    }.items():
        link = drawer_of(page).get_by_role("link", name=text)
        expect(link).to_have_attribute("href", address)


def test_a_jump_by_time_or_by_link_lands_on_its_change(page: Page, topic: Topic) -> None:
    titled(topic, 0, 40, stories=5)
    expect(page.locator(ROWS)).to_have_count(43)
    row = page.locator(ROWS).nth(20)
    place, at = row.get_attribute("data-change"), row.locator("time").get_attribute("datetime")
    row.locator("[data-op]").click()
    drawer_of(page).get_by_role("link", name="Link to this change").click()
    expect(page.locator("#asked")).to_have_attribute("data-change", place or "")
    expect(page.locator("#asked")).to_be_in_viewport()
    page.goto(f"{page.url.partition('?')[0]}?time={at}#asked")
    expect(page.locator("#asked").locator("time")).to_have_attribute("datetime", at or "")
    expect(page.locator("#asked")).to_be_in_viewport()


def test_a_change_is_copied_as_json(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(drawer_of(page).get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert f"{copied['partition']}:{copied['offset']}" == shown(page)[0]["at"]
    assert copied["after"]["title"] == "t"


HOLD = """() => {
  const fetched = window.fetch;
  window.fetch = async (...request) => {
    await new Promise((go) => { window.go = go; });
    return fetched(...request);
  };
}"""
"""The requests of the page wait for a call of `go`."""


def test_a_change_is_shown_until_the_next_one_is_loaded(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    offsets = [row["at"].split(":")[1] for row in shown(page)]
    places = [row["at"] for row in shown(page)]
    drawer, json_text = page.locator("#drawer-body"), page.locator("#drawer-json")
    page.evaluate(HOLD)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(drawer.get_by_text("Loading…")).to_be_visible()
    expect(json_text).to_be_hidden()
    page.evaluate("window.go()")
    expect(json_text).to_contain_text(f'"offset": {offsets[0]}')
    expect(drawer.get_by_text("Loading…")).to_be_hidden()
    before = json_text.bounding_box()

    page.keyboard.press("j")
    expect(page.locator("#drawer-title")).to_have_text(f"Change {places[1]}")
    expect(drawer).to_have_attribute("aria-busy", "true")
    expect(json_text).to_contain_text(f'"offset": {offsets[0]}')
    assert json_text.bounding_box() == before
    page.keyboard.press("c")
    page.evaluate("window.go()")
    expect(drawer.get_by_role("button", name="Copied")).to_be_visible()
    expect(drawer).not_to_have_attribute("aria-busy", "true")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert f"{copied['partition']}:{copied['offset']}" == places[1]


def test_lag_and_rate_are_shown(visitor: Visitor, people: dict[str, User], topic: Topic) -> None:
    verdict = verdict_of(visitor, people)
    expect(verdict.locator("[data-lag]")).to_have_text(re.compile(r"^[\d.]+ s$"))
    chart = verdict.get_by_role("img", name="Changes per second over the last 60 minutes")
    expect(chart).to_be_visible()
    assert chart.locator("polyline").get_attribute("points")


def test_dead_letters_show_in_the_verdict(
    visitor: Visitor, people: dict[str, User], topic: Topic, feed_settings: CdcSettings
) -> None:
    DeadLetter.objects.create(
        group=feed_settings.group,
        topic=topic.name,
        topic_id="t",
        partition=0,
        offset=1,
        reason="not an event",
    )
    verdict = verdict_of(visitor, people)
    expect(verdict).to_contain_text(re.compile("dead letter", re.IGNORECASE))
    # The most important problem comes first. This might be a problem other than the dead letter.
    expect(verdict.get_by_role("link").first).to_be_visible()


def test_paused_consumers_are_an_icon_a_word_and_a_remedy(
    visitor: Visitor, people: dict[str, User], topic: Topic, feed_settings: CdcSettings
) -> None:
    ConsumerPause.objects.create(group=feed_settings.group, who="Ann", why="maintenance")
    verdict = verdict_of(visitor, people)
    expect(verdict.locator("strong")).to_have_text("Paused.")
    expect(verdict).to_contain_text("Consumers paused by Ann")
    expect(verdict.locator(".sf-health-icon svg")).to_be_visible()
    verdict.get_by_role("link", name="Resume consumers…").click()
    expect(visitor.page).to_have_url(re.compile("/operations/resume/$"))


def test_the_keyboard_does_everything(page: Page, topic: Topic) -> None:
    titled(topic, 0, 5, stories=5)
    expect(page.locator(ROWS)).to_have_count(8)
    places = [row["at"] for row in shown(page)]
    focused = page.locator(f"{ROWS}:focus")
    for key, number in (("j", 0), ("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0)):
        page.keyboard.press(key)
        expect(focused).to_have_attribute("data-change", places[number])
    page.keyboard.press("Enter")
    title = page.locator("#drawer-title")
    expect(title).to_have_text(f"Change {places[0]}")
    expect(title).to_be_focused()
    page.keyboard.press("j")
    expect(title).to_have_text(f"Change {places[1]}")
    expect(page.locator("#drawer-json")).to_contain_text(f'"offset": {places[1].split(":")[1]}')
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).not_to_have_attribute("open", "")
    expect(focused).to_have_attribute("data-change", places[1])
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.get_by_label("Story", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".sf-filter > summary")).to_be_focused()
    page.keyboard.press("p")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("/")
    expect(page.get_by_label("Search stories")).to_be_focused()


def test_one_tab_reaches_the_list_and_one_leaves_it(page: Page) -> None:
    page.locator("#show-keys").focus()
    page.keyboard.press("Tab")
    expect(page.locator(ROWS).first).to_be_focused()
    page.keyboard.press("Tab")
    assert page.locator(f"{ROWS}:focus").count() == 0


@pytest.mark.parametrize("wanted", [DESK, PHONE])
def test_the_verdict_moves_nothing_when_it_arrives(
    page: Page, topic: Topic, wanted: dict[str, int]
) -> None:
    size(page, wanted)
    page.route("**/operations/verdict/", lambda _: None)
    page.reload()
    chips = page.locator(".sf-feed-ops")
    expect(chips).to_be_visible()
    expect(page.locator(ROWS)).to_have_count(3)
    before = chips.bounding_box()
    # This also continues the requests that are held.
    page.unroute("**/operations/verdict/")
    expect(page.locator("[data-lag]")).to_be_visible()
    assert chips.bounding_box() == before


def test_rows_are_held_back_while_they_are_read(page: Page, topic: Topic) -> None:
    page.keyboard.press("j")
    chips = page.locator(".sf-feed-ops")
    before = chips.bounding_box()
    titled(topic, 0, 4, stories=4)
    page.get_by_role("button", name="4 new").wait_for()
    assert chips.bounding_box() == before
    expect(page.locator(ROWS)).to_have_count(3)
    page.keyboard.press("n")
    expect(page.locator(ROWS)).to_have_count(7)


def test_both_themes_are_accessible_at_both_sizes(
    browser: Browser, site: str, people: dict[str, User], topic: Topic
) -> None:
    topic.send([outgoing(update(7, 5, title="new", diggs=9), topic.name)])
    topic.publish(30)
    context = new_context(browser, bypass_csp=True, reduced_motion="reduce")
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["technical_worker"])
    page = opened(visitor)
    expect(page.locator("[data-lag]")).to_be_visible()
    for wanted in (DESK, PHONE):
        size(page, wanted)
        assert page.evaluate(EXCESS_WIDTH) <= 0, wanted
        assert violations(visitor) == [], wanted
        page.locator(ROWS).filter(has_text="Updated").locator("[data-op]").click()
        expect(page.get_by_role("table", name="Changed fields")).to_be_visible()
        assert page.evaluate(EXCESS_WIDTH) <= 0, wanted
        assert violations(visitor) == [], wanted
        page.keyboard.press("Escape")
    page.keyboard.press("f")
    assert violations(visitor) == []
    context.close()


def test_an_empty_feed_says_what_to_do(
    visitor: Visitor, people: dict[str, User], topic: Topic
) -> None:
    visitor.log_in(people["technical_worker"])
    page = opened(visitor)
    empty = page.locator("#empty")
    expect(empty).to_contain_text("No changes yet.")
    expect(empty.get_by_role("link", name="Submit a story")).to_be_visible()
    topic.publish(1)
    expect(page.locator(ROWS)).to_have_count(1)
    expect(empty).to_be_hidden()


def test_a_gap_is_a_row_that_offers_a_reload(
    browser: Browser, site: str, people: dict[str, User], topic: Topic
) -> None:
    topic.publish(2)
    context = new_context(browser)
    context.add_init_script("delete window.SharedWorker")  # so that requests can be intercepted
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["technical_worker"])
    frames = 'event: state\ndata: {"kafka":"up"}\n\nevent: gap\ndata: {"why":"<i>","missing":5}\n\n'
    context.route(
        "**/feed/stream*",
        lambda route: route.fulfill(body=frames, content_type="text/event-stream"),
        times=1,
    )
    visitor.open("/feed/")
    gap = visitor.page.locator("#changes > .sf-gap")
    expect(gap).to_contain_text("Missing here: up to 5 changes. <i>")
    gap.get_by_role("link", name="Reload the page").click()
    expect(gap).to_have_count(0)
    assert not visitor.complaints
    context.close()


def test_a_lost_connection_is_grey_and_says_since_when(page: Page, visitor: Visitor) -> None:
    table = page.locator("table.sf-feed")
    expect(table).not_to_have_class(re.compile("sf-stale"))
    page.context.set_offline(True)
    said = re.compile(r"Connection lost at \d\d:\d\d:\d\d UTC")
    expect(page.locator("#state")).to_have_text(said)
    expect(table).to_have_class(re.compile("sf-stale"))
    expect(page.locator("#verdict")).to_have_class("sf-stale")
    expect(page.locator("#offline")).to_have_text("You are offline.")
    expect(page.locator("#stale")).to_be_hidden()
    page.context.set_offline(False)
    expect(page.locator("#state")).to_contain_text("Live")
    expect(table).not_to_have_class(re.compile("sf-stale"))
    expect(page.locator("#verdict")).not_to_have_class("sf-stale")
    visitor.complaints.clear()  # the verdict may have been requested meanwhile


# Many rows, and much traffic.

VISIBLE = """(rows) => {
  const bar = document.querySelector(".sf-bar")?.getBoundingClientRect().top || innerHeight;
  const inside = ({ top, bottom }) => top >= 0 && bottom <= Math.min(bar, innerHeight);
  return rows.filter((row) => inside(row.getBoundingClientRect())).length;
}"""


@pytest.mark.parametrize(("wanted", "least"), [(DESK, 12), (PHONE, 6)])
def test_many_rows_are_visible(
    page: Page, topic: Topic, wanted: dict[str, int], least: int
) -> None:
    size(page, wanted)
    topic.publish(30)
    expect(page.locator(ROWS)).to_have_count(33)
    expect(page.locator("[data-lag]")).to_be_visible()
    assert page.locator(ROWS).evaluate_all(VISIBLE) >= least


TRAFFIC = """() => {
  window.redraws = []; window.sentences = []; window.longest = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
    window.longest = Math.max(window.longest, entry.duration);
  })).observe({ entryTypes: ["longtask"] });
  const note = (times) => () => times.push(performance.now());
  const watch = (id, times, options) =>
    new MutationObserver(note(times)).observe(document.getElementById(id), options);
  watch("changes", window.redraws, { childList: true });
  watch("said", window.sentences, { childList: true, characterData: true, subtree: true });
}"""
REGIONS = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]"


def test_twenty_changes_per_second_are_drawn_in_batches(
    page: Page, topic: Topic, record_property: Any
) -> None:
    page.evaluate(TRAFFIC)
    began = time.monotonic()
    for turn in range(60):
        titled(topic, 4 * turn, 4, stories=20)
        time.sleep(max(0.0, began + 0.2 * (turn + 1) - time.monotonic()))
    expect(page.locator(ROWS)).to_have_count(243)
    redraws, sentences = page.evaluate("[window.redraws, window.sentences]")
    between = [after - before for before, after in pairwise(redraws)]
    # A drawing takes up to four frames, however slow they are; then the page pauses for 500 ms.
    frames = [1]
    for gap in between:
        frames = [*frames, 1] if gap > 450 else [*frames[:-1], frames[-1] + 1]
    assert max(frames) <= 4
    assert all(after - before > 4_500 for before, after in pairwise(sentences))
    assert sentences
    record_property("longest_task_ms", page.evaluate("window.longest"))
    regions = page.locator(REGIONS).evaluate_all("(all) => all.map((each) => each.id)")
    assert [each for each in regions if each != "offline"] == ["said"]


def test_what_is_read_does_not_move(page: Page, topic: Topic) -> None:
    titled(topic, 0, 60, stories=20)
    expect(page.locator(ROWS)).to_have_count(63)
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 900)
    expect(page.locator("#top")).not_to_be_in_viewport()
    row = page.locator(f'[data-change="{shown(page)[30]["at"]}"]')
    before = row.bounding_box()
    titled(topic, 100, 20, stories=20)
    expect(page.get_by_role("button", name="20 new")).to_be_visible()
    assert row.bounding_box() == before


CUT = """(rows) => rows.flatMap((row) => {
  const cell = row.querySelector(".sf-cell-what").getBoundingClientRect();
  return [...row.querySelectorAll("del, ins, .sf-further")].filter((each) => {
    const { width, right, bottom } = each.getBoundingClientRect();
    const isInside = right <= cell.right + 1 && bottom <= cell.bottom + 1;
    return width && !(isInside && each.scrollWidth <= each.clientWidth + 1);
  }).map((each) => `${row.dataset.change} ${each.textContent}`);
})"""
"""The values and the counts of further fields that are not completely visible."""


@pytest.mark.parametrize(
    ("wanted", "shown_fields", "further"),
    [(DESK, ["comments", "diggs"], "+1 field"), (PHONE, ["comments"], "+2 fields")],
)
def test_short_values_are_never_cut_and_the_other_fields_are_counted(
    page: Page, topic: Topic, wanted: dict[str, int], shown_fields: list[str], further: str
) -> None:
    size(page, wanted)
    event = update(2, 90, comments=9, diggs=45, status="rejected")
    topic.send([outgoing(event, topic.name)])
    row = page.locator(ROWS).filter(has=page.locator("ins", has_text="45"))
    expect(row.locator(".sf-field:visible")).to_have_text(shown_fields)
    expect(row.locator(".sf-further:visible")).to_have_text(further)
    assert row.evaluate_all(CUT) == []

    old, new = "An old headline that is very long. " * 3, "A new headline that is very long. " * 3
    event = update(3, 91, title=new, diggs=9)
    event = replace(event, before={**(event.before or {}), "title": old})
    topic.send([outgoing(event, topic.name)])
    changed = page.locator(ROWS).filter(has_text=new)
    expect(changed.locator("ins")).to_have_text(new.strip())
    width = changed.locator("del").bounding_box() or {"width": 0.0}
    assert width["width"] >= 70, "a reader cannot see the old title"
    counted = page.locator(ROWS).filter(has_text=new).locator(".sf-further")
    place, column = counted.bounding_box(), counted.locator("xpath=ancestor::td").bounding_box()
    assert place
    assert column
    assert place["x"] + place["width"] <= column["x"] + column["width"] + 1

    page.reload()
    expect(row.locator(".sf-field:visible")).to_have_text(shown_fields)
    expect(row.locator(".sf-further:visible")).to_have_text(further)
    assert row.evaluate_all(CUT) == []


def test_on_a_phone_a_tap_anywhere_in_a_row_opens_its_details(page: Page) -> None:
    title = page.locator(ROWS).first.locator("[data-page]")
    size(page, PHONE)
    title.click()
    expect(drawer_of(page).get_by_role("link", name="Open the story")).to_be_visible()
    page.keyboard.press("Escape")
    size(page, DESK)
    title.click()
    expect(page).to_have_url(re.compile(r"/stories/\d+/$"))


def test_details_that_cannot_be_loaded_can_be_tried_again(page: Page, visitor: Visitor) -> None:
    page.route(re.compile(r"/feed/\d+/\d+/$"), lambda route: route.abort())
    page.locator(ROWS).first.locator("[data-op]").click()
    drawer = drawer_of(page)
    expect(drawer).to_contain_text("The details could not be loaded.")
    expect(drawer.get_by_role("button", name="Copy JSON")).to_be_hidden()
    expect(page.locator("#drawer-json")).to_be_hidden()
    page.unroute(re.compile(r"/feed/\d+/\d+/$"))
    drawer.get_by_role("button", name="Try again").click()
    expect(page.locator("#drawer-json")).to_contain_text('"offset"')
    expect(drawer.get_by_role("button", name="Try again")).to_be_hidden()
    assert len(visitor.complaints) == 1
    visitor.complaints.clear()


def test_the_chip_all_is_on_until_an_operation_is_chosen(page: Page) -> None:
    chip = page.get_by_role("link", name="All", exact=True)
    expect(chip).to_have_attribute("aria-current", "true")
    page.goto(f"{page.url.partition('?')[0]}?op=u&story=3")
    expect(chip).not_to_have_attribute("aria-current", "true")
    chip.click()
    expect(page).to_have_url(re.compile(r"/feed/\?story=3$"))


def test_the_verdict_has_one_height_on_a_phone(page: Page, topic: Topic) -> None:
    size(page, PHONE)
    verdict = page.locator(".sf-health")
    expect(verdict).to_be_visible()
    before = verdict.bounding_box()
    page.locator(".sf-health-sentence").evaluate(
        "(each) => { each.textContent += ' word'.repeat(90); }"
    )
    assert verdict.bounding_box() == before
