"""Fixtures for tests in Chromium. Errors, policy violations and foreign requests fail a test."""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Response,
    expect,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from cdc.context import acting_as
from project.dashboard import cache
from project.dashboard.cache import reports
from stories.models import Status, Story
from tests.support.chromium import launched
from tests.support.static_files import plain_static_files
from users.models import User, UserType

PASSWORD = "correct-horse-7"
_MILLISECONDS = 60_000
"""The timeout of a step. It is long because databases, Kafka and other tests share the machine."""
expect.set_options(timeout=_MILLISECONDS)
_PATIENT = (
    "document.addEventListener('htmx:configRequest', "
    f"(event) => {{ event.detail.timeout = {_MILLISECONDS} }})"
)
"""Replaces the timeout of htmx's requests, because a page that reaches it reports an error."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # Playwright runs an event loop in this thread. Django refuses database queries in such threads.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    with sync_playwright() as playwright:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        chromium = launched(playwright)
        yield chromium
        chromium.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@contextmanager
def without_contexts_after(browser: Browser) -> Iterator[Browser]:
    """Close the pages that a failed test leaves open: they would request a dead server forever."""
    try:
        yield browser
    finally:
        for context in browser.contexts:
            context.close()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    with without_contexts_after(chromium):
        yield chromium


@pytest.fixture(autouse=True)
def no_earlier_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the dashboard's reports, because another test may have read them without stories.

    Wait longer for the first one, because the machine may be busy.
    """
    monkeypatch.setattr(reports, "_latest", OrderedDict())
    monkeypatch.setattr(cache, "_FIRST_SECONDS", 60.0)


@dataclass
class Visitor:
    """A browser page. `complaints` are its errors, its warnings and its requests to other sites."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Response:
        response = self.page.goto(f"{self.url}{path}")
        assert response is not None
        return response

    def log_in(self, user: User) -> None:
        self.open("/login/")
        self.page.get_by_label("E-mail address").fill(user.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.locator("main").get_by_role("button", name="Log in").click()
        self.page.wait_for_url(lambda url: "/login/" not in url)


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    context = browser.new_context(**options)
    context.set_default_timeout(_MILLISECONDS)
    context.add_init_script(_PATIENT)
    return context


def watched(page: Page, url: str) -> Visitor:
    visitor = Visitor(page, url)

    def console(message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        # Some tests open pages that respond with 403 or 404.
        if kind in {"error", "warning"} and "status of 40" not in text:
            visitor.complaints.append(f"{page.url}: {text}")

    def requested(address: str) -> None:
        if not address.startswith((url, "data:")):
            visitor.complaints.append(f"{page.url} requested {address}")

    page.on("console", console)
    page.on("pageerror", lambda error: visitor.complaints.append(f"{page.url}: {error}"))
    page.on("request", lambda request: requested(request.url))
    return visitor


@pytest.fixture
def site(live_server: LiveServer) -> Iterator[str]:
    with plain_static_files():
        yield live_server.url


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = new_context(browser)
    yield context
    context.close()


@pytest.fixture
def visitor(context: BrowserContext, site: str) -> Iterator[Visitor]:
    visitor = watched(context.new_page(), site)
    yield visitor
    assert visitor.complaints == []


@pytest.fixture
def people(transactional_db: None) -> dict[str, User]:
    people = {
        role.value: User.objects.create_user(
            f"{role}@people.example", PASSWORD, name=f"Ann {role.label}", user_type=role
        )
        for role in UserType
    }
    boss = User.objects.create_superuser("boss@people.example", PASSWORD, name="Boss")
    return {**people, "superuser": boss}


@pytest.fixture
def stories(transactional_db: None) -> list[Story]:
    titles = ["A ferry captain keeps an old promise", "<script>alert(1)</script>", "\u202eevil 🐘"]
    with acting_as("test"):
        return [
            Story.objects.create(
                title=title,
                description=f"{title}. " * 20,
                href="http://a.example/",
                link="http://b.example/",
                status=list(Status)[number],
                topic={"name": "Harbours"},
            )
            for number, title in enumerate([*titles, "x" * 255])
        ]
