"""The project as a Django application."""

from django.apps import AppConfig

from cdc.commands import daemon_started
from project.metrics import daemons as daemon_metrics


class ProjectConfig(AppConfig):
    name = "project"

    def ready(self) -> None:
        daemon_started.connect(daemon_metrics.serve)
