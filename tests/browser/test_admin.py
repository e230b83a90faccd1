"""Every page of the admin. A new model needs only a row in the fixture `rows`."""

import re
from collections.abc import Iterator

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, expect

from cdc.models import OperatorAction, RelayLease
from stories.models import Story
from tests.browser.conftest import Visitor, new_context, watched
from tests.browser.looking import PICTURES, examine, look, violations
from tests.support.letters import letter, letter_about
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OTHERS = ("/admin/", "/admin/password_change/", "/admin/password_change/done/", "/styleguide/")


@pytest.fixture
def rows(people: dict[str, User], stories: list[Story]) -> None:
    """Create a row of each model for which no other fixture creates rows."""
    Group.objects.create(name="Editors")
    letter_about(stories[0].pk)
    letter(value=b"\x00 <script>alert(1)</script> \xe2\x80\xaeevil", reason="x" * 400)
    OperatorAction.objects.create(who="os:ann", what="discard", target="1", why="Noise. " * 30)
    RelayLease.objects.create(name="relay", owner="host:1:abc", expires_at=timezone.now())
    login = {"username": "ann@people.example", "ip_address": "203.0.113.9"}
    agent = {"user_agent": "Mozilla/5.0 <b>", "path_info": "/login/"}
    AccessAttempt.objects.create(**login, **agent, failures_since_start=3)
    AccessLog.objects.create(**login, **agent)
    AccessFailureLog.objects.create(**login, **agent)


def pages(model: type[Model], boss: User) -> Iterator[str]:
    """Yield the URLs of a model's list, of its empty form and of one row."""
    request = RequestFactory().get("/")
    request.user = boss
    site = admin.site.get_model_admin(model)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.order_by("-pk").first()
    assert row is not None, f"{model.__name__} needs a row in the fixture"
    yield reverse(f"{name}_changelist")
    if site.has_add_permission(request):
        yield reverse(f"{name}_add")
    if getattr(site, "list_display_links", ()) is not None:
        yield reverse(f"{name}_change", args=[row.pk])


def confirmation(visitor: Visitor, model: str, action: str) -> Visitor:
    """Select an action for all rows and wait for its confirmation page."""
    page = visitor.page
    visitor.open(reverse(f"admin:{model}_changelist"))
    page.get_by_label("Select all").check()
    choice = page.get_by_label("Action:")
    choice.select_option(value=choice.locator("option", has_text=action).get_attribute("value"))
    page.get_by_role("button", name=re.compile("Go|Run")).click()
    expect(page.get_by_role("heading", level=2).or_(page.locator("h1")).first).to_be_visible()
    expect(page.get_by_label("Action:")).to_have_count(0)
    return visitor


def test_all_pages(browser: Browser, site: str, people: dict[str, User], rows: None) -> None:
    strict = new_context(browser)
    loose = new_context(browser, bypass_csp=True, reduced_motion="reduce")
    looked, examined = watched(strict.new_page(), site), watched(loose.new_page(), site)
    looked.log_in(people["superuser"])
    loose.add_cookies(strict.cookies())  # type: ignore[arg-type]
    boss, found = people["superuser"], list[str]()
    models = sorted(admin.site._registry, key=lambda model: model._meta.label)
    password = reverse("admin:auth_user_password_change", args=[people["customer"].pk])
    for path in [*OTHERS, password, *(page for model in models for page in pages(model, boss))]:
        look(looked, path, "admin") if PICTURES else looked.open(path)
        found += examine(examined, path)
    found += examine(examined, "/admin/stories/story/?status__exact=submitted")
    found += violations(confirmation(examined, "cdc_deadletter", "Replay selected dead letters"))
    found += violations(confirmation(examined, "stories_story", "Delete selected stor"))
    found += violations(confirmation(examined, "stories_story", "Edit selected stor"))
    found += violations(confirmation(examined, "stories_story", "Reject selected stor"))
    assert not found, "\n".join(found)
    assert not looked.complaints, "\n".join(looked.complaints)
    for context in (strict, loose):
        context.close()


def test_forms_are_filled_in_and_shown_by_a_script(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["superuser"])
    confirmation(visitor, "stories_story", "Reject selected stor")
    page.get_by_role("button", name="Broken link").click()
    expect(page.get_by_label("Reason")).to_have_value("The page cannot be opened.")
    visitor.open(reverse("admin:auth_user_password_change", args=[people["customer"].pk]))
    password = page.locator("#id_password1")
    page.get_by_role("button", name="Show password", exact=True).click()
    expect(password).to_have_attribute("type", "text")


def test_phones_have_the_filters_in_a_closed_section(
    visitor: Visitor, people: dict[str, User], stories: list[Story]
) -> None:
    page = visitor.page
    visitor.log_in(people["superuser"])
    visitor.open(reverse("admin:stories_story_changelist"))
    filters = page.get_by_role("navigation", name="Filter")
    expect(filters).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    expect(filters).not_to_be_visible()
    summary = page.locator(".sf-filters > summary")
    summary.click()
    expect(filters).to_be_visible()
    above = (
        "(summary) => summary.getBoundingClientRect().top < result_list.getBoundingClientRect().top"
    )
    assert summary.evaluate(above)
