"""Every page in each role, theme and width is accessible, not too wide, and without errors."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from cdc.jobs.kinds import COUNT
from cdc.models import Job, JobState
from cdc.operator_log import log_action
from project.dashboard import cache
from project.pages import feed_state
from stories.models import Story
from tests.browser.conftest import new_context, watched
from tests.browser.looking import examine, look
from tests.project.test_matrix import MATRIX, PEOPLE, ROUTES
from tests.support.latest import patient
from tests.support.letters import letter_about
from tests.support.reports import report
from tests.support.status import busy_status
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MANAGEMENT = "senior_management"

# URLs for programs, a URL with a part of a page, and the live feed, which test_feed covers.
ELSEWHERE = {
    *("healthz", "readyz", "metrics", "feed/", "feed/stream"),
    *("operations/state/", "operations/verdict/", "stories/new/check/"),
}
# Further pages of each role: URLs with arguments, and error pages.
MORE: dict[str, tuple[str, ...]] = {
    "anonymous": ("/password/reset/MQ/no/", "/nothing/"),
    "customer": (
        "/stories/?q=a",
        "/stories/?q=zebra&sort=x",
        f"/stories/?q={100 * 'w'}",
        "{story}",
    ),
    "technical_worker": (
        *("/senior_management/", "{job}", "{job}start/", "{job}cancel/"),
        *("{story}way/", "{story}change/", "{letter}", "{letter}replay/", "{letter}discard/"),
    ),
    MANAGEMENT: ("{letter}",),
}


def plain_pages(role: str) -> list[str]:
    """Return the paths that a role may open, except those of the admin (see test_admin)."""
    column = PEOPLE.index(role)
    paths = [path for path in ROUTES if not re.search(r"^admin/|[<(]", path)]
    return [f"/{path}" for path in paths if MATRIX[path][column] == 200 and path not in ELSEWHERE]


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(busy_status))
    monkeypatch.setattr(cache.reports, "read", report)
    monkeypatch.setattr(feed_state, "rates", patient(lambda: [0.0, 1.5, 40.0, 3.0]))


@pytest.mark.parametrize("role", MORE)
def test_pages_of_a_role(
    browser: Browser, site: str, people: dict[str, User], stories: list[Story], role: str
) -> None:
    # The policy blocks axe, which is a foreign script. Axe therefore runs in a context without it.
    strict = new_context(browser)
    loose = new_context(browser, bypass_csp=True, reduced_motion="reduce")
    looked, examined = watched(strict.new_page(), site), watched(loose.new_page(), site)
    if role in people:
        looked.log_in(people[role])
        loose.add_cookies(strict.cookies())  # type: ignore[arg-type]
    number = stories[1].pk
    bad_path = f"/operations/dead_letters/{letter_about(number).pk}/"
    words = "stories_story: would insert 3, update 0, remove 0"
    job = Job.objects.create(
        kind=COUNT, arguments="{}", state=JobState.DONE, asked_by="1", total=3, done=3, result=words
    )
    log_action("pause", "consumers of storyfeed", "an index is built", using="default")
    found = []
    for page in (*plain_pages(role), *MORE[role]):
        path = page.format(
            story=f"/stories/{number}/",
            job=f"/operations/jobs/{job.pk}/",
            letter=bad_path,
        )
        found += [*look(looked, path, role), *examine(examined, path)]
    assert not found, "\n".join(found)
    assert not looked.complaints, "\n".join(looked.complaints)
    for context in (strict, loose):
        context.close()


def test_a_policy_violation_is_a_complaint(browser: Browser, site: str) -> None:
    context = new_context(browser)
    visitor = watched(context.new_page(), site)
    visitor.open("/login/")
    for violation in (
        "document.body.setAttribute('style', 'color: red')",
        "document.body.append(Object.assign(new Image(), {src: 'http://evil.example/x.png'}))",
    ):
        visitor.complaints.clear()
        with visitor.page.expect_console_message():
            visitor.page.evaluate(violation)
        assert any("Content Security Policy" in complaint for complaint in visitor.complaints)
    context.close()


def test_axe_finds_a_mistake(browser: Browser, site: str) -> None:
    context = new_context(browser, bypass_csp=True)
    visitor = watched(context.new_page(), site)
    visitor.open("/login/")
    visitor.page.evaluate("document.querySelectorAll('label').forEach((label) => label.remove())")
    found = Axe().run(visitor.page).response["violations"]
    context.close()
    assert "label" in {item["id"] for item in found}
