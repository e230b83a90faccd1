"""Rendering pages without collected static files."""

from django.conf import settings
from django.test import override_settings

PLAIN_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"


def plain_static_files() -> override_settings:
    """Return a context manager in which pages use no manifest of static files."""
    storages = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STORAGE}}
    return override_settings(STORAGES=storages)
