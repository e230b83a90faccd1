"""Free TCP ports on loopback."""

import random
import socket
import sys
from collections.abc import Collection

from project.stack.errors import StackError

LOOPBACK = "127.0.0.1"

# These ports are below Linux's range for outgoing connections (32768-60999), so that no client
# connection uses a port that is needed again at the next start.
FIRST, LAST = 20000, 32000

_claims: list[socket.socket] = []  # the sockets stay open until the process ends


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this option too. With it, connections in TIME_WAIT do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """Return a free loopback port that is not in `taken`.

    On Linux, no call in this or another process returns the port again until this process ends.
    """
    for _ in range(1000):
        port = random.randint(FIRST, LAST)  # noqa: S311 (no secret)
        if port not in taken and port_is_free(port) and _claim(port):
            return port
    raise StackError(
        f"No free port between {FIRST} and {LAST} on {LOOPBACK}; stop some servers and try again."
    )


def _claim(port: int) -> bool:
    """Reserve the port for this process; return False if the port is already reserved.

    The reservation is a name in Linux's abstract socket namespace. The kernel releases it
    when this process ends.
    """
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0storyfeed-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def remembered_or_free(port: int | None, taken: Collection[int] = ()) -> int:
    """Return `port` if it is set, free and not in `taken`; otherwise, return another free port."""
    if port is not None and port not in taken and port_is_free(port):
        return port
    return free_port(taken)
