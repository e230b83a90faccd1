"""The pending decisions that the home page of the admin shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import reverse

from cdc.models import DeadLetter, DeadLetterStatus
from stories.models import Status, Story
from users.lockout import locked_accounts
from users.models import User
from users.roles import feed_audience

register = template.Library()
_DAILY_APPS = ("stories", "users", "auth")
_DAILY_TABLES = {"Story": 0, "User": 1, "Group": 2}
"""The places of the tables for daily work. The other ones, such as logs, come after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A number of pending decisions, and the page on which to make them."""

    one: str
    """The label of a single decision."""
    many: str
    icon: str
    count: int
    url: str
    is_failure: bool = False

    @property
    def label(self) -> str:
        return self.one if self.count == 1 else self.many


@register.simple_tag
def waiting_for(user: User) -> list[Waiting]:
    """Return the pending decisions on the pages that a user may open. A count can be 0."""
    return list(_all_for(user))


@register.filter
def daily(apps: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the tables for daily work, each with the label of its app, the most used first."""
    found = [
        (app["app_label"], table)
        for app in apps
        if app["app_label"] in _DAILY_APPS
        for table in app["models"]
    ]
    return sorted(found, key=lambda each: _DAILY_TABLES.get(each[1]["object_name"], 3))


@register.filter
def occasional(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the other apps of the admin, in their order."""
    return [app for app in apps if app["app_label"] not in _DAILY_APPS]


def _all_for(user: User) -> Iterator[Waiting]:
    if user.has_perm("stories.view_story"):
        yield Waiting(
            one="story to review",
            many="stories to review",
            icon="newspaper",
            count=Story.objects.filter(status=Status.SUBMITTED).count(),
            url=f"{reverse('admin:stories_story_changelist')}?status__exact={Status.SUBMITTED}",
        )
    if user.has_perm("axes.view_accessattempt"):
        yield Waiting(
            one="locked account",
            many="locked accounts",
            icon="lock",
            count=locked_accounts().count(),
            url=reverse("admin:axes_accessattempt_changelist"),
        )
    if feed_audience(user) or user.has_perm("cdc.view_deadletter"):
        page = "dead_letters" if feed_audience(user) else "admin:cdc_deadletter_changelist"
        yield Waiting(
            one="dead letter",
            many="dead letters",
            icon="mail",
            count=DeadLetter.objects.filter(status=DeadLetterStatus.WAITING).count(),
            url=reverse(page),
            is_failure=True,
        )
