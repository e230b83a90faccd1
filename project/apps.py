"""The project as a Django application: its commands and checks."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Storyfeed itself."""

    name = "project"
