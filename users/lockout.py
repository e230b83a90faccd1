"""The lock after failed log-ins, as django-axes asks for it."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from users.forms import LoginForm

_TOO_MANY_REQUESTS = 429
_LONGEST = 255


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """Return the account that a log-in is for; capitals and blanks make no other account."""
    name = (credentials or {}).get("username") or request.POST.get("username") or ""
    return str(name).strip().lower()[:_LONGEST]


def locked(request: HttpRequest, *_: Any) -> HttpResponse:
    """Answer a log-in to a locked account: the same page, with what to do."""
    form = LoginForm(initial={"username": login_name(request, None)})
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    sentence = (
        f"Too many log-ins failed for this e-mail address. Wait {minutes} minutes, then try again: "
        "until then even the right password is refused."
    )
    context = {"form": form, "locked": sentence, "next": request.POST.get("next", "")}
    return render(request, "users/login.html", context, status=_TOO_MANY_REQUESTS)
