"""Refuses to run a command without a secret key if the command could sign with the key."""

from collections.abc import Sequence

from django.conf import settings

from cdc.errors import Misconfigured

# These commands sign nothing. Image builds collect static files, and `up` generates the key.
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
            "DJANGO_SECRET_KEY is not set: give a long random text (or its file as "
            "DJANGO_SECRET_KEY_FILE), or let `manage.py up` generate one."
        )


def require_secret_key_for(arguments: Sequence[str]) -> None:
    """Raise Misconfigured if this command line needs the key and the settings have no key."""
    only_help = not arguments or not _HELP_OPTIONS.isdisjoint(arguments)
    if not only_help and arguments[0] not in _KEYLESS:
        require_secret_key()
