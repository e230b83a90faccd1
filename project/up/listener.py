"""The listening socket of the web server.

`up` keeps the socket open, so that connections are not refused while a web process restarts.
"""

import errno
import socket

from cdc.errors import Misconfigured

DEFAULT_PORT = 8000
_TRIES = 100
_LAST_PORT = 65_535
BACKLOG = 2048
_SILENCE_MS = 60_000


def listen(host: str, port: int | None) -> socket.socket:
    """Listen on `port` or, if `port` is None, on the first free port from 8000.

    Raise Misconfigured if no port can be used.
    """
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise Misconfigured(f"--port is {port}: choose a port from 1 to {_LAST_PORT}.")
    first = DEFAULT_PORT if port is None else port
    last = first + _TRIES if port is None else first
    for candidate in range(first, last + 1):
        if (bound := _bound(host, candidate)) is not None:
            return bound
    where = f"Port {first}" if port is not None else f"Every port from {first} to {last}"
    raise Misconfigured(
        f"{where} on {host} is in use by another program: "
        "stop that program or choose another --port."
    )


def url(bound: socket.socket) -> str:
    """Return the URL to open in a browser on this machine."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _bound(host: str, port: int) -> socket.socket | None:
    """Return a listening socket, or None if the port is in use."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _listening(socket.socket(family, kind), address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        raise Misconfigured(
            f"--host {host} --port {port} cannot be used ({error}): "
            "choose an address of this machine and a port that you may bind."
        ) from None


def _listening(bound: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit this option. asyncio itself sets the option only if the socket object
        # has TCP's protocol number, not 0. Without the option, each small frame of an event stream
        # would wait until the previous frame is acknowledged.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            # Close a connection if the client does not acknowledge the sent data for 60 s.
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MS)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound
