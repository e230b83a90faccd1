"""Tests with a browser do not depend on an idle machine or on an earlier test."""

import time

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import Visitor, new_context, without_contexts_after
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_slow_response_is_not_an_error(visitor: Visitor, people: dict[str, User]) -> None:
    visitor.log_in(people["customer"])
    visitor.open("/stories/")
    page = visitor.page
    page.evaluate("htmx.config.timeout = 100")

    def answer_late(route: Route) -> None:
        time.sleep(0.5)
        route.fulfill(body="late")

    page.route("**/late/", answer_late)
    page.evaluate("htmx.ajax('GET', '/late/', '#main')")
    expect(page.locator("#main")).to_have_text("late")
    assert visitor.complaints == []


def test_pages_that_a_failed_test_leaves_open_are_closed(browser: Browser) -> None:
    with without_contexts_after(browser):
        page = new_context(browser).new_page()
    assert page.is_closed()
    assert browser.contexts == []
