"""Test settings: the project's settings, a second captured app and a second database."""

from dataclasses import replace

from project.settings import *  # noqa: F403 -- all of them, unchanged
from project.settings import CDC, DATABASES, INSTALLED_APPS

# The tables of the second app have no committed schemas.
CDC = replace(CDC, schema_dir=None)
INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.toy"]

if DATABASES["default"]["ENGINE"].endswith("mysql"):
    # The server may have another default.
    DATABASES["default"]["TEST"] = {"CHARSET": "utf8mb4"}
else:
    # A test's data need not survive a power failure.
    fast = "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
    DATABASES["default"]["OPTIONS"]["init_command"] = fast
DATABASES["other"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
PASSWORD_HASHERS = ["tests.support.hashers.LightArgon2PasswordHasher"]
