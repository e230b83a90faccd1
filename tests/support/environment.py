"""The environment variables of tests and measurements."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

ADDRESSES = ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI")
# The user's own settings must not influence the tests.
IGNORED_VARIABLES = (
    *("ALLOWED_HOSTS", "CONSUMER_GROUP", "CSRF_TRUSTED_ORIGINS"),
    *("DATABASE_CONNECTIONS", "DATABASE_PASSWORD", "DATABASE_URL", "DEFAULT_FROM_EMAIL"),
    *("DELETE_MARKER_DAYS", "DJANGO_DEBUG", "DJANGO_SECRET_KEY", "DJANGO_SETTINGS_MODULE"),
    *("EMAIL_URL", "HISTORY_DAYS", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_CONFIG"),
    *("FEED_STREAMS", "FEED_STREAMS_PER_ACCOUNT", "FEED_STREAMS_PER_ADDRESS"),
    *("KAFKA_PARTITIONS", "KAFKA_REPLICATION_FACTOR", "KAFKA_TOPIC", "LOG_FORMAT", "LOG_LEVEL"),
    *("MAX_EVENT_BYTES", "METRICS_PORT", "METRICS_TOKEN", "MONGODB_DATABASE"),
    *("MONGODB_PASSWORD", "MONGODB_URI"),
    # The tests start hundreds of processes. None of them must compile the code again.
    "PYTHONDONTWRITEBYTECODE",
    *("REPLICA_COLLECTIONS", "TRUSTED_PROXIES", "WEB_WORKERS"),
)
"""The settings; a test also ignores the name of a file with the value, such as MONGODB_URI_FILE."""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a run that stores its data in `folder`."""
    home = folder / "home"
    (home / "static").mkdir(parents=True)  # WhiteNoise warns if this folder is missing
    return {
        **{name: value for name, value in os.environ.items() if not _is_ignored(name)},
        "STORYFEED_HOME": str(home),
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        **more,
    }


def use(variables: Mapping[str, str]) -> None:
    """Replace the environment of this process."""
    os.environ.clear()
    os.environ.update(variables)


def _is_ignored(name: str) -> bool:
    # In a hook, git sets variables such as GIT_DIR. With these, a test that makes a repository of
    # its own would change the one that the hook belongs to.
    return name.startswith("GIT_") or name.removesuffix("_FILE") in IGNORED_VARIABLES
