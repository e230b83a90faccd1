"""The feed as a Django application: it finds every app's `cdc.py` and captures what they name."""

import time
from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class CdcConfig(AppConfig):
    """Change data capture."""

    name = "cdc"
    verbose_name = "Change feed"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the declarations of all apps, then listen to their models."""
        from cdc import capture, checks  # noqa: F401, PLC0415
        from cdc.registry import registry  # noqa: PLC0415

        autodiscover_modules("cdc")
        models = [model for model in apps.get_models() if registry.find(model)]
        capture.connect(models)
        post_migrate.connect(_ensure_epoch, sender=self)


def _ensure_epoch(using: str, **_: Any) -> None:
    from cdc import outbox  # noqa: PLC0415

    outbox.ensure_epoch(time.time_ns() // 1_000_000, using=using)
