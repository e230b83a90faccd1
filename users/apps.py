"""The users application."""

from django.apps import AppConfig, apps
from django.db.models.signals import pre_save


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        from users import lockout  # noqa: PLC0415

        apps.get_app_config("axes").verbose_name = "Logins"
        pre_save.connect(lockout.forget_form, sender=apps.get_model("axes", "AccessAttempt"))
