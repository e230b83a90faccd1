"""Pages in tests: static files need not have been collected."""

from django.conf import settings
from django.test import override_settings

PLAIN_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"


def plain_static_files() -> override_settings:
    """Return a context in which static files are named without a manifest."""
    storages = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STORAGE}}
    return override_settings(STORAGES=storages)
