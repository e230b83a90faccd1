"""Ensures after each migration or flush that the database has an epoch."""

import time
from typing import Any

from django.apps import apps as all_apps
from django.apps.registry import Apps
from django.db import router

from cdc.outbox import table as outbox


def ensure_epoch(using: str, apps: Apps = all_apps, **_: Any) -> None:
    """Begin the database's first epoch if it has none; a receiver of `post_migrate`."""
    # The table is missing after `migrate cdc zero`, and on databases that a router excludes.
    if "epoch" in apps.all_models["cdc"] and router.allow_migrate(using, "cdc"):
        outbox.ensure_epoch(time.time_ns() // 1_000_000, using=using)
