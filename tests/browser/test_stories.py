"""The journey of a story in a real browser: submit, find, sort, digg, withdraw, reject."""

import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from cdc.context import acting_as
from cdc.models import OutboxRecord
from stories.models import Story
from tests.browser.conftest import PASSWORD, Visitor, new_context, watched
from tests.browser.looking import violations
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def register(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/register/")
    page.get_by_label("E-mail address").fill("new@people.example")
    page.get_by_label("Name").fill("New Person")
    page.get_by_label("Password", exact=False).nth(0).fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page).to_have_url(f"{visitor.url}/customer/")


def submit(page: Page, address: str, title: str) -> None:
    page.get_by_label("Link").fill(address)
    page.get_by_label("Title").fill(title)
    page.get_by_label("Topic").select_option("Harbours")
    page.get_by_role("button", name="Submit story").click()


def titles(page: Page) -> Any:
    return page.locator("#stories h2 a")


def digg_and_undo(page: Page) -> None:
    OutboxRecord.objects.all().delete()
    page.get_by_role("button", name="Dig A heron").click()
    pressed = page.get_by_role("button", name="undo your digg for A heron")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    expect(pressed).to_contain_text("1")
    expect(pressed).to_be_focused()
    (record,) = OutboxRecord.objects.all()
    user = User.objects.get(email="new@people.example")
    assert (record.user, orjson.loads(record.after or b"")["diggs"]) == (str(user.pk), 1)
    page.route("**/undo_digg/", lambda route: route.abort())
    pressed.click()
    failed = page.get_by_role("alert")
    expect(failed).to_contain_text("the server did not respond")
    page.unroute("**/undo_digg/")
    pressed.press("Enter")
    expect(page.get_by_role("button", name="Dig A heron")).to_contain_text("0")
    expect(failed).to_have_count(0)


def reject(staff: Visitor, boss: User, story: Story, reason: str) -> None:
    staff.log_in(boss)
    staff.open(f"/stories/{story.pk}/")
    staff.page.get_by_role("link", name="Reject").click()
    staff.page.get_by_label("Reason").fill(reason)
    staff.page.get_by_role("button", name="Reject").click()
    expect(staff.page.get_by_text("The story was rejected.")).to_be_visible()
    assert staff.complaints == []


def test_a_story_is_submitted_found_dug_rejected_and_withdrawn(
    visitor: Visitor, stories: list[Story], people: dict[str, User], browser: Browser
) -> None:
    page = visitor.page
    with acting_as("test"):
        for number, story in enumerate(stories):
            story.diggs, story.link = number, f"http://b.example/{number}"
            story.save()
    register(visitor)

    visitor.open("/stories/new/")
    page.get_by_label("Link").fill("https://www.b.example/0/")
    page.get_by_label("Title").focus()
    expect(page.locator("#address-check")).to_contain_text("This link was submitted before")
    submit(page, "https://new.example/heron", "A heron")
    expect(page.get_by_role("heading", level=1)).to_have_text("A heron")

    visitor.open("/stories/")
    page.get_by_role("link", name="Harbours").first.click()
    expect(page).to_have_url(re.compile(r"\?topic=Harbours$"))
    page.get_by_role("link", name="Most dug").click()
    expect(page).to_have_url(re.compile(r"topic=Harbours&sort=diggs$"))
    expect(titles(page).first).to_have_text(stories[2].title)
    expect(page.get_by_role("link", name="Most dug")).to_be_focused()
    page.go_back()
    expect(titles(page).first).to_have_text("A heron")
    digg_and_undo(page)
    # The browser reports the aborted request as an error.
    visitor.complaints.clear()

    context = new_context(browser)
    reason = "We have had that heron."
    staff = watched(context.new_page(), visitor.url)
    reject(staff, people["superuser"], Story.objects.get(title="A heron"), reason)
    context.close()
    visitor.open("/stories/mine/")
    expect(page.get_by_text(reason)).to_be_visible()
    page.get_by_role("link", name="A heron").click()
    expect(page.get_by_text(reason)).to_be_visible()

    visitor.open("/stories/new/")
    submit(page, "https://new.example/stork", "A stork")
    page.get_by_role("link", name="Withdraw").click()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("The story was withdrawn.")).to_be_visible()
    assert not Story.objects.filter(title="A stork").exists()


def answering(status: int) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status)


def test_a_failed_vote_says_why_and_what_to_do(
    visitor: Visitor, people: dict[str, User], stories: list[Story], context: BrowserContext
) -> None:
    page = visitor.page
    failed = page.get_by_role("alert")
    vote = page.get_by_role("button", name="Dig A ferry")
    visitor.log_in(people["customer"])
    visitor.open("/stories/")
    for status, words in (
        (409, "another change is using the same rows. Try again."),
        (503, "busy or not available. Try again in a moment."),
        (500, "an error occurred on the server. Try again later."),
    ):
        page.route("**/digg/", answering(status))
        vote.click()
        expect(failed).to_contain_text(words)
        page.unroute("**/digg/")

    # Another tab logs in again, so that the token of this page is no longer valid.
    other = watched(context.new_page(), visitor.url)
    other.open("/login/")
    other.log_in(people["customer"])
    vote.click()
    expect(failed).to_contain_text("Reload the page.")
    page.reload()
    vote.click()
    expect(page.get_by_role("button", name="undo your digg for A ferry")).to_be_visible()
    Story.objects.filter(pk=stories[0].pk).delete()
    page.get_by_role("button", name="undo your digg for A ferry").click()
    expect(failed).to_contain_text("no longer exists. Reload the page.")
    visitor.complaints.clear()  # htmx reports each refused vote


def test_a_story_is_found_and_dug_without_a_script(
    browser: Browser, site: str, people: dict[str, User], stories: list[Story]
) -> None:
    context = new_context(browser, java_script_enabled=False)
    visitor = watched(context.new_page(), site)
    page = visitor.page
    visitor.log_in(people["customer"])
    visitor.open("/stories/?topic=Harbours")
    page.get_by_label("Search stories").fill("ferry")
    page.get_by_role("search").get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile(r"q=ferry&topic=Harbours$"))
    page.get_by_role("button", name="Dig A ferry").click()
    expect(page).to_have_url(re.compile(r"q=ferry&topic=Harbours$"))
    undo = page.get_by_role("button", name="undo your digg for A ferry")
    expect(undo).to_contain_text("1")
    assert Story.objects.get(pk=stories[0].pk).diggs == 1
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_list_has_one_search_which_keeps_the_filters(
    visitor: Visitor, people: dict[str, User], stories: list[Story], width: int
) -> None:
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 844})
    visitor.log_in(people["customer"])
    visitor.open("/stories/")
    expect(page.get_by_role("searchbox")).to_have_count(1)
    topic = page.locator("#filters").get_by_role("link", name="Harbours")
    if width == 390:
        expect(topic).to_be_hidden()
        page.locator("#filters summary").click()
    topic.click()
    expect(page).to_have_url(f"{visitor.url}/stories/?topic=Harbours")
    page.get_by_label("Search stories").fill("ferry")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(f"{visitor.url}/stories/?q=ferry&topic=Harbours")
    expect(titles(page)).to_have_text([stories[0].title])
    page.get_by_label("Remove the filter ferry").click()
    expect(page).to_have_url(f"{visitor.url}/stories/?topic=Harbours")
    expect(page.get_by_label("Search stories")).to_have_value("")
    expect(page.get_by_role("searchbox")).to_have_count(1)


@pytest.mark.parametrize("width", [360, 390])
def test_every_sort_order_fits_on_a_phone(
    visitor: Visitor, people: dict[str, User], stories: list[Story], width: int
) -> None:
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 844})
    visitor.log_in(people["customer"])
    visitor.open("/stories/")
    tools = page.locator(".sf-story-tools")
    assert tools.evaluate("(each) => each.scrollWidth - each.clientWidth") <= 0
    last, button = (
        found.bounding_box()
        for found in (tools.get_by_role("link").last, page.locator("#filters summary"))
    )
    assert last
    assert button
    assert last["x"] + last["width"] < button["x"]


def test_the_list_leads_to_the_login_when_the_session_has_ended(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["customer"])
    visitor.open("/stories/")
    page.get_by_role("link", name="Most dug").click()
    expect(page).to_have_url(f"{visitor.url}/stories/?sort=diggs")
    page.context.clear_cookies()
    page.get_by_role("link", name="Most commented").click()
    expect(page).to_have_url(f"{visitor.url}/login/?next=/stories/%3Fsort%3Dcomments")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")

    visitor.log_in(people["customer"])
    visitor.open("/stories/")
    page.get_by_role("link", name="Most dug").click()
    expect(page).to_have_url(f"{visitor.url}/stories/?sort=diggs")
    page.context.clear_cookies()
    page.go_back()
    expect(page).to_have_url(f"{visitor.url}/login/?next=/stories/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")

    visitor.log_in(people["customer"])
    visitor.open("/stories/new/")
    page.context.clear_cookies()
    page.get_by_label("Link").fill("http://new.example/")
    page.get_by_label("Title").focus()
    expect(page).to_have_url(f"{visitor.url}/login/?next=/stories/new/")


def test_a_story_has_one_line_of_facts(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    Story.objects.update(
        topic={"name": "T" * 90},
        user={"name": "a name of many words " * 4},
        link=f"http://{'w' * 60}.example/",
    )
    page = visitor.page
    visitor.log_in(people["customer"])
    for width in (768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        visitor.open("/stories/")
        facts = page.locator(".sf-story-row .sf-meta")
        expect(facts).to_have_count(len(stories) - 1)
        heights = facts.evaluate_all("(all) => all.map((each) => each.clientHeight)")
        line = facts.first.evaluate("(each) => parseFloat(getComputedStyle(each).lineHeight)")
        assert max(heights) < 1.5 * line
        # A part that has less room would show only its dot.
        parts = facts.first.locator("> span:not(.sf-number)")
        assert min(parts.evaluate_all("(all) => all.map((each) => each.clientWidth)")) > 2 * line


def test_the_pages_of_a_review_are_accessible(
    browser: Browser, site: str, people: dict[str, User], stories: list[Story]
) -> None:
    Story.objects.filter(pk=stories[0].pk).update(submitted_by=people["superuser"])
    context = new_context(browser, bypass_csp=True, reduced_motion="reduce")
    visitor = watched(context.new_page(), site)
    visitor.log_in(people["superuser"])
    found = []
    for page in ("withdraw/", "reject/"):
        visitor.open(f"/stories/{stories[0].pk}/{page}")
        found += violations(visitor)
    visitor.open(f"/stories/{stories[3].pk}/")
    expect(visitor.page.get_by_text("No reason was given.")).to_be_visible()
    assert found + violations(visitor) == []
    context.close()
