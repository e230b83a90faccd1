"""The project as a Django application."""

import gc

from django.apps import AppConfig
from django.core.checks import Tags, register

from cdc.commands import daemon_started
from project.checks import check_connections
from project.metrics import daemons as daemon_metrics


class ProjectConfig(AppConfig):
    name = "project"

    def ready(self) -> None:
        _resume_garbage_collection()
        daemon_started.connect(daemon_metrics.serve)
        register(check_connections, Tags.database)


def _resume_garbage_collection() -> None:
    """End the pause that `manage.py` began, and exempt the imported objects from collections."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
