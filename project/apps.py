"""The project as a Django application: its commands and checks."""

from django.apps import AppConfig

from cdc.commands import daemon_started


class ProjectConfig(AppConfig):
    """Storyfeed itself."""

    name = "project"

    def ready(self) -> None:
        """Let daemons serve their metrics; what that takes needs Django's applications."""
        from project.metrics import daemons as daemon_metrics  # noqa: PLC0415 -- it takes models

        daemon_started.connect(daemon_metrics.serve)
