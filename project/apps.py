"""The project as a Django application."""

from django.apps import AppConfig
from django.core.checks import Tags, register

from cdc.commands import daemon_started
from project.checks import check_connections
from project.metrics import daemons as daemon_metrics


class ProjectConfig(AppConfig):
    name = "project"

    def ready(self) -> None:
        daemon_started.connect(daemon_metrics.serve)
        register(check_connections, Tags.database)
