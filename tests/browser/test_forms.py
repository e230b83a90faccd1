"""What the script of the forms adds: counts, visible passwords, common reasons."""

import pytest
from playwright.sync_api import expect

from stories.actions.reasons import COMMON_REASONS
from stories.models import Story
from tests.browser.conftest import PASSWORD, Visitor
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_characters_of_a_field_are_counted_and_announced_near_the_limit(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    visitor.log_in(people["customer"])
    visitor.open("/stories/new/")
    title = page.locator("#div_id_title")
    shown, said = title.locator(".sf-count"), title.get_by_role("status")
    page.get_by_label("Title").fill("A heron")
    expect(shown).to_have_text("7 / 255")
    expect(shown).to_have_attribute("aria-hidden", "true")
    page.get_by_label("Title").fill("x" * 254)
    expect(said).to_have_text("1 character left")
    page.get_by_label("Title").fill("A heron")
    expect(said).to_have_text("")
    address = page.locator("#div_id_link .sf-count")
    expect(address).to_be_hidden()
    page.get_by_label("Link").fill(f"http://a.example/{'x' * 400}")
    expect(address).to_have_text("417 / 500")


def test_a_line_break_counts_as_two_characters_as_the_server_counts_it(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["superuser"])
    visitor.open(f"/stories/{stories[0].pk}/reject/")
    page.get_by_label("Reason").fill("\n" * 300)
    expect(page.locator(".sf-count-over")).to_have_text("600 / 500")
    expect(page.locator("#div_id_reason").get_by_role("status")).to_have_text(
        "100 characters too many"
    )


@pytest.mark.parametrize("path", ["/login/", "/", "/register/", "/password/"])
def test_a_password_can_be_shown(visitor: Visitor, people: dict[str, User], path: str) -> None:
    page = visitor.page
    if path == "/password/":
        visitor.log_in(people["customer"])
    visitor.open(path)
    fields = page.locator("[autocomplete$=-password]")
    buttons = page.get_by_role("button", name="Show ")
    expect(buttons).to_have_count(fields.count())
    expect(buttons.last).to_have_attribute("aria-pressed", "false")
    fields.last.fill(PASSWORD)
    buttons.last.click()
    expect(fields.last).to_have_attribute("type", "text")
    expect(buttons.last).to_have_attribute("aria-pressed", "true")
    buttons.last.click()
    expect(fields.last).to_have_attribute("type", "password")


def test_a_visible_password_is_hidden_before_it_is_sent(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    visitor.open("/login/")
    page.get_by_role("button", name="Show password").click()
    page.get_by_label("E-mail address").fill("ann@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    # Without content, the browser stays on the page.
    page.route("**/login/", lambda route: route.fulfill(status=204))
    page.locator("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Password")).to_have_attribute("type", "password")


def test_a_common_reason_fills_in_the_text(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page, chosen = visitor.page, COMMON_REASONS[1]
    visitor.log_in(people["superuser"])
    visitor.open(f"/stories/{stories[0].pk}/reject/")
    page.get_by_role("link", name=chosen.label).click()
    reason = page.get_by_label("Reason")
    expect(reason).to_be_focused()
    expect(reason).to_have_value(chosen.text)
    expect(page.locator(".sf-count")).to_have_text(f"{len(chosen.text)} / 500")
    assert page.url.endswith("/reject/")
