"""What `up` chooses for a home and remembers in its env file: the key and two addresses."""

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

KEY, KAFKA, MONGODB = "DJANGO_SECRET_KEY", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"
_KEY_BYTES = 50


def is_given(name: str, real: Mapping[str, str]) -> bool:
    """Whether the person set a variable, or the file that holds it; then `up` chooses nothing."""
    return bool(real.get(name) or real.get(f"{name}_FILE"))


def new_key() -> str:
    """Return a new secret key."""
    return secrets.token_urlsafe(_KEY_BYTES)


def remembered_port(name: str, remembered: Mapping[str, str]) -> int | None:
    """Return the port in a remembered address (`host:port` or a URL), if there is one."""
    address = remembered.get(name, "")
    try:
        return urlsplit(address if "://" in address else f"//{address}").port
    except ValueError:
        return None
