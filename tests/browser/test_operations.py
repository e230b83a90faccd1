"""The operations pages in a real browser: pause, resume, and a server that does not respond."""

import pytest
from playwright.sync_api import expect

from cdc.models import ConsumerPause, OperatorAction
from cdc.status.facts import Paused
from cdc.status.verdict import Status
from project.pages import feed_state
from tests.browser.conftest import Visitor
from tests.support.latest import patient
from tests.support.status import healthy_status
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def read() -> Status:
    """Return a healthy status, or a paused one if the database contains a pause."""
    found = ConsumerPause.objects.first()
    paused = Paused(who="ann@people.example", at=found.at, why=found.why) if found else None
    return healthy_status(paused=paused)


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", patient(read, fresh=0.2))
    monkeypatch.setattr(feed_state, "rates", patient(lambda: [0.0, 1.0]))


def test_a_pause_by_keyboard_is_shown_until_it_is_resumed(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    visitor.log_in(people["technical_worker"])
    expect(page.locator(".sf-verdict")).to_contain_text("In sync")
    page.get_by_role("link", name="Pause the consumers").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Why").fill("an index is built")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="are paused")).to_be_visible()
    expect(page.locator(".sf-verdict")).to_contain_text("(an index is built)")
    expect(page.locator(".sf-part-bad")).to_contain_text("paused by ann@people.example")

    # Another operator resumes the consumers, and the page updates itself.
    ConsumerPause.objects.all().delete()
    expect(page.get_by_role("link", name="Pause the consumers")).to_be_visible()
    expect(page.locator(".sf-part-bad")).to_have_count(0)
    assert OperatorAction.objects.get().what == "pause"
    page.get_by_role("link", name="Operator log").click()
    expect(page.locator("article")).to_contain_text("an index is built")


def test_a_page_says_when_its_server_is_silent(visitor: Visitor, people: dict[str, User]) -> None:
    page = visitor.page
    visitor.log_in(people["senior_management"])
    visitor.open("/operations/")
    expect(page.get_by_role("link", name="Pause the consumers")).to_have_count(0)
    page.route("**/operations/state/", lambda route: route.abort())
    expect(page.locator("#stale")).to_contain_text("No response since")
    expect(page.locator("[data-live]")).to_have_class("sf-stale")
    page.unroute("**/operations/state/")
    expect(page.locator("#stale")).to_be_hidden()
    # The browser reports each aborted request as an error.
    visitor.complaints.clear()
