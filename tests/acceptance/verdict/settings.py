"""The project's settings, with a second database, which used to be the default database."""

from project import settings
from project.settings import *  # noqa: F403

FORMER = "former"
# A copy, so that the settings of the process that runs the tests do not change.
DATABASES = {
    **settings.DATABASES,
    FORMER: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(settings.ENVIRONMENT.home / f"{FORMER}.sqlite3"),
    },
}
