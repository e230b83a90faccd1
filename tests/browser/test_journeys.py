"""User journeys in a real browser."""

import re
from threading import Event
from typing import Any

import pytest
from django.http import HttpResponse
from playwright.sync_api import expect

from cdc.models import OutboxRecord
from stories.models import Status, Story
from tests.browser.conftest import PASSWORD, Visitor
from users.models import User, UserType
from users.views import RegisterView

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_register_browse_and_log_out(visitor: Visitor, stories: list[Story]) -> None:
    page = visitor.page
    visitor.open("/")
    page.get_by_role("link", name="Register").click()
    page.get_by_label("E-mail address").fill("New@People.example")
    page.get_by_label("Name").fill("New Person")
    page.get_by_label("Password", exact=False).nth(0).fill("short")
    page.get_by_label("Password confirmation").fill("short")
    page.get_by_role("button", name="Register").click()
    expect(page.locator(".invalid-feedback").first).to_contain_text("too short")
    expect(page.get_by_label("Name")).to_have_value("New Person")
    page.get_by_label("Password", exact=False).nth(0).fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    expect(page).to_have_url(f"{visitor.url}/customer/")
    expect(page.get_by_role("status").filter(has_text="Welcome")).to_contain_text("New Person")
    page.get_by_role("link", name="A ferry captain").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(stories[0].title)
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{visitor.url}/login/")


def test_a_double_click_registers_once(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed, fail, second = RegisterView.form_valid, RegisterView.form_invalid, Event()

    def succeed_slowly(*args: Any) -> HttpResponse:
        response = succeed(*args)
        second.wait(2)
        return response

    def fail_and_say_so(*args: Any) -> HttpResponse:
        second.set()
        return fail(*args)

    monkeypatch.setattr(RegisterView, "form_valid", succeed_slowly)
    monkeypatch.setattr(RegisterView, "form_invalid", fail_and_say_so)
    page = visitor.page
    visitor.open("/register/")
    page.get_by_label("E-mail address").fill("new@people.example")
    page.get_by_label("Name").fill("New Person")
    page.get_by_label("Password", exact=False).nth(0).fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    button = page.get_by_role("button", name="Register")
    # Playwright would wait for the response to the first click.
    button.evaluate("button => { button.click(); setTimeout(() => button.click(), 200); }")
    expect(page.get_by_role("status").filter(has_text="Welcome")).to_contain_text("New Person")
    expect(page).to_have_url(f"{visitor.url}/customer/")
    assert not second.is_set()


def test_a_form_can_be_sent_again_after_its_errors(
    visitor: Visitor, people: dict[str, User]
) -> None:
    page = visitor.page
    visitor.open("/login/")
    for password, url in (("wrong", "/login/"), (PASSWORD, "/customer/")):
        page.get_by_label("E-mail address").fill(people["customer"].email)
        page.get_by_label("Password").fill(password)
        page.locator("main").get_by_role("button", name="Log in").click()
        expect(page).to_have_url(f"{visitor.url}{url}")


@pytest.mark.parametrize("role", UserType)
def test_each_role_lands_on_its_home_page(
    visitor: Visitor, people: dict[str, User], role: UserType
) -> None:
    visitor.log_in(people[role])
    expect(visitor.page).to_have_url(f"{visitor.url}/{role.value}/")


def test_keyboard_alone_logs_in(visitor: Visitor, people: dict[str, User]) -> None:
    page = visitor.page
    visitor.open("/login/")
    # The browser sets the focus at its first frame, which may come after the load event.
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type(people["customer"].email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.url}/customer/")
    page.wait_for_load_state()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


def test_story_is_approved_in_the_admin(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["superuser"])
    visitor.open("/admin/stories/story/")
    OutboxRecord.objects.all().delete()
    page.get_by_role("row").filter(has_text=stories[0].title).get_by_role("checkbox").check()
    page.get_by_label("Action:").select_option(label="Approve selected stories")
    page.get_by_role("button", name=re.compile("Go|Run")).click()
    expect(page.get_by_text("1 story was approved.")).to_be_visible()
    stories[0].refresh_from_db()
    assert stories[0].status == Status.POPULAR
    assert [record.op for record in OutboxRecord.objects.all()] == ["u"]


def test_submitted_stories_are_reviewed_with_buttons(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["superuser"])
    visitor.open("/admin/")
    page.get_by_role("link", name="1 story to review").click()
    page.get_by_role("checkbox", name=re.compile("Select this object")).check()
    page.get_by_role("button", name="Reject selected").click()
    page.get_by_label("Reason").fill("We have had that ferry.")
    page.get_by_role("button", name="Reject stories").click()
    expect(page.get_by_text("1 story was rejected.")).to_be_visible()
    stories[0].refresh_from_db()
    assert (stories[0].status, stories[0].rejection.reason) == (
        Status.REJECTED,
        "We have had that ferry.",
    )


def test_theme_is_switched_and_kept(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/login/")
    shown = page.locator("html")
    expect(shown).to_have_attribute("data-bs-theme", "light")
    page.emulate_media(color_scheme="dark")
    expect(shown).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("button", name="Light theme").click()
    expect(shown).to_have_attribute("data-bs-theme", "light")
    page.get_by_role("button", name="Dark theme").click()
    visitor.open("/register/")
    page.emulate_media(color_scheme="light")
    expect(shown).to_have_attribute("data-bs-theme", "dark")


def test_the_page_says_when_the_browser_is_offline(visitor: Visitor) -> None:
    visitor.open("/login/")
    banner = visitor.page.locator("#offline")
    expect(banner).to_be_hidden()
    visitor.page.context.set_offline(True)
    expect(banner).to_be_visible()
    visitor.page.context.set_offline(False)
    expect(banner).to_be_hidden()
