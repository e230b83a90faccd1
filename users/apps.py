"""The users application."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import pre_save
from django.http import HttpRequest
from django.utils import timezone


class UsersConfig(AppConfig):
    name = "users"
    verbose_name = "Accounts and roles"

    def ready(self) -> None:
        from users import lockout  # noqa: PLC0415

        apps.get_app_config("auth").verbose_name = "Groups and permissions"
        apps.get_app_config("axes").verbose_name = "Logins"
        pre_save.connect(lockout.forget_form, sender=apps.get_model("axes", "AccessAttempt"))
        user_logged_in.connect(limit_session)


def limit_session(request: HttpRequest, **_: Any) -> None:
    """Set the time at which the session of a login ends; connected to `user_logged_in`.

    By default, each change of a session extends it, so a thief could keep a stolen session alive.
    """
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))
