"""The users application."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import router, transaction
from django.db.models.signals import pre_save
from django.http import HttpRequest
from django.utils import timezone

_MOST_AT_ONCE = 100


class UsersConfig(AppConfig):
    name = "users"
    verbose_name = "Accounts and roles"

    def ready(self) -> None:
        from users import lockout  # noqa: PLC0415

        apps.get_app_config("auth").verbose_name = "Groups and permissions"
        apps.get_app_config("axes").verbose_name = "Logins"
        pre_save.connect(lockout.forget_form, sender=apps.get_model("axes", "AccessAttempt"))
        user_logged_in.connect(limit_session)
        user_logged_in.connect(forget_ended_sessions)


def limit_session(request: HttpRequest, **_: Any) -> None:
    """Set the time at which the session of a login ends; connected to `user_logged_in`.

    By default, each change of a session extends it, so a thief could keep a stolen session alive.
    """
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))


def forget_ended_sessions(**_: Any) -> None:
    """After a login, delete sessions that have ended; connected to `user_logged_in`.

    Each login adds one session, and deletes up to 100 ended ones, so their number does not grow. If
    they cannot be deleted, Django logs the error, and the login succeeds.
    """
    using = router.db_for_write(apps.get_model("sessions", "Session"))
    transaction.on_commit(_delete_ended_sessions, using=using, robust=True)


def _delete_ended_sessions() -> None:
    session: Any = apps.get_model("sessions", "Session")
    ended = session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    keys = list(ended.values_list("pk", flat=True)[:_MOST_AT_ONCE])
    if keys:
        session.objects.filter(pk__in=keys).delete()
