"""The file descriptors of a web process, and how many clients may use them."""

import resource
from contextlib import suppress

_WANTED = 65_536
_MOST_CLIENTS = 10_000
_KEPT_BACK = 200
"""The number of descriptors that are reserved for the database, Kafka, MongoDB and files."""


def raise_limit() -> None:
    """Raise the soft limit of descriptors to the hard limit, but to at most 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if resource.RLIM_INFINITY != soft < wanted:
        with suppress(OSError, ValueError):  # macOS has a further limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_clients() -> int:
    """Return the maximum number of client connections that the process can have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CLIENTS
    return min(_MOST_CLIENTS, max(soft - _KEPT_BACK, soft // 4))


def most_streams() -> int:
    """Return the maximum number of open event streams; the remaining connections are for pages."""
    return most_clients() * 3 // 4
