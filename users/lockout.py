"""The callbacks for django-axes, which locks an account after failed logins."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from users.forms import LoginForm

_TOO_MANY_REQUESTS = 429
_MAX_LENGTH = 255


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """Return the e-mail address of a login attempt, normalized like the address of an account."""
    name = (credentials or {}).get("username") or request.POST.get("username") or ""
    return str(name).strip().lower()[:_MAX_LENGTH]


def locked(request: HttpRequest, *_: Any) -> HttpResponse:
    """Return the login page with an explanation of the lock."""
    form = LoginForm(initial={"username": login_name(request, None)})
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    sentence = (
        f"Too many failed logins for this e-mail address. Wait {minutes} minutes, then try again. "
        "Until then, even the correct password is refused."
    )
    context = {"form": form, "locked": sentence, "next": request.POST.get("next", "")}
    return render(request, "users/login.html", context, status=_TOO_MANY_REQUESTS)
