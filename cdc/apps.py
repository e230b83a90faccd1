"""The feed as a Django application: it finds every app's `cdc.py` and captures what they name."""

import time
from typing import Any

from django.apps import AppConfig
from django.apps import apps as all_apps
from django.apps.registry import Apps
from django.db import router
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class CdcConfig(AppConfig):
    """Change data capture."""

    name = "cdc"
    verbose_name = "Change feed"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the declarations of all apps, check them, and keep the epoch."""
        from cdc import checks  # noqa: F401, PLC0415

        autodiscover_modules("cdc")
        post_migrate.connect(_ensure_epoch, sender=self)


def _ensure_epoch(using: str, apps: Apps = all_apps, **_: Any) -> None:
    from cdc import outbox  # noqa: PLC0415

    # Not on a database that has no such table: another one's router, or `migrate cdc zero`.
    if "epoch" in apps.all_models["cdc"] and router.allow_migrate(using, "cdc"):
        outbox.ensure_epoch(time.time_ns() // 1_000_000, using=using)
