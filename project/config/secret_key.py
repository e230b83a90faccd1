"""Refuses to run without a secret key, except for a few commands that need no key."""

from collections.abc import Sequence

from django.conf import settings

from cdc.errors import Misconfigured

# These commands sign nothing. `collectstatic` runs while an image is built, and `up` generates the
# key. All other commands need the key, even if they sign nothing.
_KEYLESS = frozenset(
    {
        "up",
        "check",
        "collectstatic",
        "event_schema",
        "findstatic",
        "help",
        "makemigrations",
        "version",
    }
)
_HELP_OPTIONS = frozenset({"-h", "--help", "--version"})


def require_secret_key() -> None:
    """Raise Misconfigured if the settings have no key."""
    if not settings.ENVIRONMENT.secret_key:
        raise Misconfigured(
            "DJANGO_SECRET_KEY is not set: set it to a long random text, name a file with this "
            "text in DJANGO_SECRET_KEY_FILE, or let `manage.py up` generate a key."
        )


def require_secret_key_for(arguments: Sequence[str]) -> None:
    """Raise Misconfigured if the command in `arguments` needs a key and the settings have none."""
    only_help = not arguments or not _HELP_OPTIONS.isdisjoint(arguments)
    if not only_help and arguments[0] not in _KEYLESS:
        require_secret_key()
