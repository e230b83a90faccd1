"""The project's settings, with a second database that was the default one before."""

from project.settings import *  # noqa: F403
from project.settings import DATABASES, ENVIRONMENT

FORMER = "former"
DATABASES[FORMER] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(ENVIRONMENT.home / f"{FORMER}.sqlite3"),
}
