"""The frame of the pages: search by a key, menus, the bar on phones, and messages."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from stories.models import Story
from tests.browser.conftest import PASSWORD, Visitor, new_context
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}


def test_a_key_searches_stories(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["customer"])
    box = page.get_by_label("Search stories")
    page.keyboard.press("Control+/")
    expect(box).not_to_be_focused()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("ferry/boat")
    expect(box).to_have_value("ferry/boat")
    box.fill("ferry")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.url}/stories/?q=ferry")
    expect(page.get_by_role("link", name=stories[0].title)).to_be_visible()
    expect(page.get_by_label("Search stories")).to_have_value("ferry")


@pytest.mark.parametrize(
    "storage", ["null", "(() => { throw new DOMException('Denied', 'SecurityError'); })()"]
)
def test_pages_work_without_storage(
    visitor: Visitor, people: dict[str, User], storage: str
) -> None:
    page = visitor.page
    page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{get: () => {storage}}})")
    visitor.log_in(people["customer"])
    page.keyboard.press("/")
    expect(page.get_by_label("Search stories")).to_be_focused()
    page.get_by_role("button", name="Account").click()
    dark = page.get_by_role("button", name="Dark")
    dark.click()
    expect(dark).to_have_attribute("aria-pressed", "true")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    page.context.set_offline(False)


def test_a_light_part_of_a_dark_page_has_dark_arrows(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    page.emulate_media(color_scheme="dark")
    visitor.log_in(people["superuser"])
    visitor.open("/styleguide/")
    arrow = "(each) => getComputedStyle(each).backgroundImage"
    assert "%23343a40" in page.locator("#light-status").evaluate(arrow)
    assert "%23dee2e6" in page.locator("#dark-status").evaluate(arrow)


def test_keyboard_alone_opens_the_account_menu_and_logs_out(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    visitor.log_in(people["customer"])
    account = page.get_by_role("button", name="Account")
    log_out = page.get_by_role("button", name="Log out")
    expect(log_out).to_be_hidden()
    account.focus()
    page.keyboard.press("Enter")
    expect(log_out).to_be_visible()
    expect(page.locator("#account")).to_contain_text(people["customer"].email)
    page.keyboard.press("Escape")
    expect(log_out).to_be_hidden()
    expect(account).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(6):
        page.keyboard.press("Tab")
        if log_out.evaluate("(button) => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.url}/login/")


def test_a_phone_has_a_bar_with_every_page(visitor: Visitor, people: dict[str, User]) -> None:
    page = visitor.page
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    visitor.log_in(people["superuser"])
    visitor.open("/stories/")
    bar = page.get_by_role("navigation", name="Site")
    expect(bar).to_have_count(1)
    expect(bar.get_by_role("link", name="Stories")).to_have_attribute("aria-current", "page")
    expect(bar.get_by_role("link", name="Dashboard")).to_have_count(0)
    bar.get_by_role("button", name="More").click()
    bar.get_by_role("link", name="Dashboard").click()
    expect(page).to_have_url(f"{visitor.url}/senior_management/")


def test_a_message_can_be_dismissed(visitor: Visitor, people: dict[str, User]) -> None:
    page = visitor.page
    # The clock stands still, so that the message does not disappear before the click.
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(days=1))
    visitor.log_in(people["customer"])
    visitor.open("/password/")
    page.get_by_label("Old password").fill(PASSWORD)
    page.locator("[name=new_password1]").fill("another-long-42")
    page.locator("[name=new_password2]").fill("another-long-42")
    page.get_by_role("button", name="Change password", exact=True).click()
    message = page.get_by_role("status").filter(has_text="Your password was changed.")
    expect(message).to_be_visible()
    message.get_by_role("button", name="Dismiss").click()
    expect(message).to_have_count(0)


def test_the_menus_work_without_script(visitor: Visitor, people: dict[str, User]) -> None:
    browser = visitor.page.context.browser
    assert browser is not None
    visitor.log_in(people["customer"])
    context = new_context(browser, java_script_enabled=False)
    context.add_cookies(visitor.page.context.cookies())  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{visitor.url}/stories/")
    page.get_by_role("button", name="Account").click()
    expect(page.get_by_role("group", name="Theme")).to_be_hidden()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{visitor.url}/login/")
    context.close()
