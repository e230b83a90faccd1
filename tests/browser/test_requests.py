"""With production settings, pages are light and make few requests, and a new row is cheap."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from cdc.conf import CdcSettings
from cdc.context import acting_as
from cdc.jobs.kinds import COUNT
from cdc.models import Job
from stories.models import Story
from tests.acceptance.conftest import environment
from tests.browser.conftest import Visitor, new_context, watched
from tests.browser.test_feed import ROWS, opened
from tests.browser.test_pages import MANAGEMENT, MORE, plain_pages
from tests.project.test_pages import MOST_BYTES, MOST_REQUESTS
from tests.support.commands import manage
from tests.support.letters import letter_about
from tests.support.web import Topic, Web
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.services, pytest.mark.django_db(transaction=True)]
FEED = ("/feed/", "/feed/?op=u")
ADMIN = (
    *("/admin/", "/admin/stories/story/", "/admin/stories/story/add/", "{admin_story}"),
    *("/admin/users/user/add/", "/admin/auth/group/add/", "/admin/cdc/deadletter/"),
)
FURTHER = {"technical_worker": FEED, MANAGEMENT: FEED, "superuser": ADMIN}


@pytest.fixture
def site(
    transactional_db: None, topic: Topic, feed_settings: CdcSettings, tmp_path: Path
) -> Iterator[str]:
    env = environment(feed_settings, tmp_path)
    done = manage(env, "collectstatic", "--noinput")
    assert done.returncode == 0, done.stderr
    with Web(tmp_path / "web.log", env, debug=False, patient=True) as web:
        yield web.url


def words(seed: random.Random, count: int) -> str:
    """Return words of random letters, which compress worse than any language."""
    return " ".join("".join(seed.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(count))


@pytest.fixture
def full_list(stories: list[Story]) -> None:
    """Create more stories than a page of the list shows, with long texts."""
    seed = random.Random(0)
    with acting_as("test"):
        for number in range(30):
            Story.objects.create(
                title=words(seed, 12),
                description=words(seed, 40),
                link=f"http://{words(seed, 1)}.example/{number}",
                topic={"name": words(seed, 2)},
            )


def loaded(context: BrowserContext, site: str, path: str) -> dict[str, int]:
    """Open a page with an empty cache.

    Return the size in bytes of each address that the page loads. A polled address counts once.
    """
    visitor = watched(context.new_page(), site)
    page, found, sizes = visitor.page, dict[str, str](), dict[str, int]()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def requested(event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if not url.startswith("data:"):
            found[event["requestId"]] = address = url.removeprefix(site)
            sizes.setdefault(address, 0)

    def finished(event: dict[str, Any]) -> None:
        if address := found.get(event["requestId"]):
            sizes[address] = sizes[address] or int(event["encodedDataLength"])

    network.on("Network.requestWillBeSent", requested)
    network.on("Network.loadingFinished", finished)
    visitor.open(path)
    if path in FEED:
        expect(page.locator("#state")).to_contain_text("Live")
        expect(page.locator("[data-lag]")).to_be_visible()
        assert any(each.startswith("/feed/stream") for each in sizes)
    else:
        page.wait_for_load_state("networkidle")
    page.close()
    assert not visitor.complaints
    # A browser asks only once for the icon of all pages.
    icon = max((sizes.pop(each) for each in list(sizes) if "/icon." in each), default=0)
    return {**sizes, "icon": icon}


def test_each_page_is_light_and_makes_few_requests(
    browser: Browser, site: str, people: dict[str, User], stories: list[Story], full_list: None
) -> None:
    story, letter = stories[1].pk, letter_about(stories[1].pk)
    job = Job.objects.create(kind=COUNT, arguments="{}", asked_by="1")
    found: dict[str, dict[str, int]] = {}
    for role in (*MORE, "superuser"):
        context = new_context(browser)
        context.add_init_script("delete window.SharedWorker")  # its requests are not recorded
        if role in people:
            watched(context.new_page(), site).log_in(people[role])
        paths = (*plain_pages(role), *MORE[role]) if role in MORE else ()
        for each in (*paths, *FURTHER.get(role, ())):
            path = each.format(
                story=f"/stories/{story}/",
                admin_story=f"/admin/stories/story/{story}/change/",
                job=f"/operations/jobs/{job.pk}/",
                letter=f"/operations/dead_letters/{letter.pk}/",
            )
            found[f"{role} {path}"] = loaded(context, site, path)
        context.close()
    many = {page: sizes for page, sizes in found.items() if len(sizes) > MOST_REQUESTS}
    assert many == {}
    weights = {page: sum(sizes.values()) for page, sizes in found.items()}
    assert {page: weight for page, weight in weights.items() if weight > MOST_BYTES} == {}
    assert len(found) > len(FURTHER)


def test_the_bundled_scripts_of_the_admin_work(
    browser: Browser, site: str, people: dict[str, User], stories: list[Story]
) -> None:
    context = new_context(browser)
    visitor = watched(context.new_page(), site)
    page = visitor.page
    visitor.log_in(people["superuser"])
    visitor.open("/admin/stories/story/")
    page.locator("#action-toggle").check()
    expect(page.get_by_text("4 of 4 selected")).to_be_visible()
    visitor.open(f"/admin/stories/story/{stories[0].pk}/change/")
    with page.expect_popup() as popup:
        page.locator("#lookup_id_submitted_by").click()
    expect(popup.value.get_by_role("heading", level=1)).to_have_text("Users")
    assert visitor.complaints == []
    context.close()


def test_a_new_row_leaves_the_styles_of_the_other_rows(
    browser: Browser, visitor: Visitor, people: dict[str, User], topic: Topic
) -> None:
    topic.publish(100)
    visitor.log_in(people["technical_worker"])
    page = opened(visitor)
    expect(page.locator(ROWS)).to_have_count(100)
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    topic.publish(1, title="new")
    expect(page.locator(ROWS).first).to_contain_text("new")
    events = json.loads(browser.stop_tracing())["traceEvents"]
    # An event that began before the recording has no count.
    styled = [
        each["args"].get("elementCount", 0) for each in events if each["name"] == "UpdateLayoutTree"
    ]
    assert 0 < max(styled) < page.locator("#changes *").count() / 2
