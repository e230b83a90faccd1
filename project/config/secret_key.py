"""The secret key: nothing that could sign with it runs without one."""

from collections.abc import Sequence

from django.conf import settings

from cdc.errors import Misconfigured

# They sign nothing: image builds collect static files, and `up` makes the key.
_KEYLESS = frozenset(
    {"up", "check", "collectstatic", "findstatic", "help", "makemigrations", "version"}
)
_ASKING = frozenset({"-h", "--help", "--version"})


def require_secret_key() -> None:
    """Raise Misconfigured when the settings hold no key."""
    if not settings.ENVIRONMENT.secret_key:
        raise Misconfigured(
            "DJANGO_SECRET_KEY is not set: give a long random text (or its file as "
            "DJANGO_SECRET_KEY_FILE), or let `manage.py up` make one."
        )


def require_secret_key_for(arguments: Sequence[str]) -> None:
    """Do the same for a command line, unless its command does without."""
    asks = not arguments or not _ASKING.isdisjoint(arguments)
    if not asks and arguments[0] not in _KEYLESS:
        require_secret_key()
