"""The project's settings for tests: a second captured app and a second database."""

import tempfile

from project.settings import *  # noqa: F403 -- everything, as it is
from project.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.toy"]

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file: threads that share a database in memory get errors that no deployment has. Its folder
    # goes with the process, and SQLite's files beside it.
    _folder = tempfile.TemporaryDirectory(prefix="storyfeed-test-")
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder.name}/test.sqlite3"}
else:
    # Whatever the server's own default is.
    DATABASES["default"]["TEST"] = {"CHARSET": "utf8mb4"}
DATABASES["other"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
PASSWORD_HASHERS = ["tests.hashers.LightArgon2PasswordHasher"]
