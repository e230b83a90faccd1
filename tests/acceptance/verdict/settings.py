"""The project's settings, with a second database that was the default one before."""

from project import settings
from project.settings import *  # noqa: F403

FORMER = "former"
# The settings of the tests' own process do not change.
DATABASES = {
    **settings.DATABASES,
    FORMER: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(settings.ENVIRONMENT.home / f"{FORMER}.sqlite3"),
    },
}
