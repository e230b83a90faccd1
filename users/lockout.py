"""The callbacks for django-axes, which locks an account after failed logins."""

from collections.abc import Mapping
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from users.client_address import client_network
from users.fields import normalized
from users.forms import LoginForm

MAX_PER_ACCOUNT = 5
"""An account is locked for a network after this many failed logins from the network."""
MAX_PER_NETWORK = 100
"""All accounts are locked for a network after this many failed logins from the network.

All people in a network share this limit. A successful login deletes the failures of the account,
so people who mistype do not reach the limit. A program that tries one password for many accounts
reaches it.
"""
_TOO_MANY_REQUESTS = 429
_MAX_LENGTH = 255


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """Return the e-mail address of a login attempt, normalized like the address of an account."""
    name = (credentials or {}).get("username") or request.POST.get("username") or ""
    return str(normalized(str(name)))[:_MAX_LENGTH]


def failure_limit(request: HttpRequest, _: Mapping[str, Any] | None) -> int:
    """Return the number of failures that lock an account; 0 locks every account."""
    return 0 if _is_network_locked(request) else MAX_PER_ACCOUNT


def forget_form(instance: AccessAttempt, **_: Any) -> None:
    """Remove the submitted form from a record of failed logins; connected to `pre_save`.

    Users type passwords into wrong fields, and a program could send megabytes.
    """
    instance.get_data = instance.post_data = ""


def locked_accounts() -> QuerySet[AccessAttempt, dict[str, Any]]:
    """Return the accounts that are locked now, once for each network for which they are locked.

    Networks for which all accounts are locked are not considered. A row counts the failures of one
    browser, so rows are added up, as django-axes itself does.
    """
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    recent: QuerySet[AccessAttempt] = AccessAttempt.objects.filter(attempt_time__gte=since)
    together = recent.order_by().values("username", "ip_address")
    counted: QuerySet[AccessAttempt, dict[str, Any]] = together.alias(
        failures=Sum("failures_since_start")
    )
    return counted.filter(failures__gte=MAX_PER_ACCOUNT)


def locked(request: HttpRequest, *_: Any) -> HttpResponse:
    """Return the login page with an explanation of the lock."""
    form = LoginForm(initial={"username": login_name(request, None)})
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    reason = "from your network" if _is_network_locked(request) else "for this e-mail address"
    sentence = (
        f"Too many failed logins {reason}. Wait {seconds // 60} minutes, then try again. "
        "Until then, even the correct password is refused."
    )
    context = {"form": form, "locked": sentence, "next": request.POST.get("next", "")}
    page = render(request, "users/login.html", context, status=_TOO_MANY_REQUESTS)
    page.headers["Retry-After"] = str(seconds)
    return page


def _is_network_locked(request: HttpRequest) -> bool:
    network = client_network(request)
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    failures = AccessAttempt.objects.filter(ip_address=network, attempt_time__gte=since)
    total = failures.aggregate(Sum("failures_since_start"))["failures_since_start__sum"]
    return (total or 0) >= MAX_PER_NETWORK
