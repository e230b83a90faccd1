"""The web server: `python -m project.web_server --host 0.0.0.0 --port 8000`.

All options of uvicorn are in this module, so that `up`, compose and systemd start the same server.
"""

import argparse
import os
import socket
import sys
import time
from contextlib import suppress
from ipaddress import IPv4Network, ip_network
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from cdc.commands import flush_spans, notify_alive, notify_ready
from cdc.errors import Misconfigured
from project.config.environment import Environment, load_environment
from project.config.logs import logging_config, report_failure
from project.http.client_connection import ClientConnection
from project.http.descriptors import most_clients, raise_limit
from project.up import listener
from users.mail import send_queued

_GRACE_SECONDS = 2
_MAIL_SECONDS = 3.5
"""The time that queued e-mails have, from the start of a shutdown. It includes `_GRACE_SECONDS`."""
_LARGEST_HEAD = 32_768
_MAPPED_PREFIX = 96
# asyncio accepts up to this many connections at once, before any surplus connection can be closed.
_ACCEPTED_AT_ONCE = 32


class Server(uvicorn.Server):
    """uvicorn's server, on sockets that are already listening."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or []:
            each.listen(listener.BACKLOG)  # uvicorn has set the backlog to `_ACCEPTED_AT_ONCE`
            uvicorn.server.logger.info("Uvicorn running on socket %s", each.getsockname())
        notify_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        until = time.monotonic() + _MAIL_SECONDS
        await super().shutdown(sockets)
        # uvicorn then raises the signal again, which ends the process without its exit handlers.
        flush_spans()
        send_queued(until - time.monotonic())

    async def on_tick(self, counter: int) -> bool:
        notify_alive()
        return await super().on_tick(counter)


def options(environment: Environment) -> dict[str, Any]:
    """Return uvicorn's options."""
    return {
        "app": "project.asgi:application",
        "interface": "asgi3",
        "http": ClientConnection,
        "ws": "none",
        "lifespan": "off",
        "access_log": False,
        # Without this option, uvicorn would use its own log format until Django is loaded.
        "log_config": logging_config(level=environment.log_level, form=environment.log_format),
        "backlog": _ACCEPTED_AT_ONCE,
        "h11_max_incomplete_event_size": _LARGEST_HEAD,
        "timeout_graceful_shutdown": _GRACE_SECONDS,
        "proxy_headers": bool(environment.trusted_proxies),
        "forwarded_allow_ips": [
            form for proxy in environment.trusted_proxies for form in _forms(proxy)
        ],
    }


def _forms(proxy: str) -> list[str]:
    """Return the forms of a network of proxies. An IPv4 network also has a form mapped to IPv6.

    On a socket for both kinds of addresses, the IPv4 address of a proxy appears mapped to IPv6.
    uvicorn compares addresses without converting them.
    """
    network = ip_network(proxy)
    if isinstance(network, IPv4Network):
        mapped = f"::ffff:{network.network_address}/{_MAPPED_PREFIX + network.prefixlen}"
        return [proxy, mapped]
    address = network.network_address.ipv4_mapped
    if address is None or network.prefixlen < _MAPPED_PREFIX:
        return [proxy]
    return [proxy, f"{address}/{network.prefixlen - _MAPPED_PREFIX}"]


def serve(bound: socket.socket, environment: Environment) -> bool:
    """Serve until SIGTERM or Ctrl-C. Return False if the server could not start."""
    raise_limit()
    ClientConnection.most = most_clients()
    server = Server(uvicorn.Config(**options(environment)))
    with suppress(KeyboardInterrupt):
        server.run(sockets=[bound])
    return server.started


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m project.web_server")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=listener.DEFAULT_PORT)
    parser.add_argument("--fd", type=int, help="a listening socket that this process inherits")
    given = parser.parse_args()
    try:
        environment = load_environment(os.environ)
        bound = (
            listener.listen(given.host, given.port)
            if given.fd is None
            else socket.socket(fileno=given.fd)
        )
        return 0 if serve(bound, environment) else STARTUP_FAILURE
    except Misconfigured as error:
        return report_failure(str(error), 2)


if __name__ == "__main__":
    sys.exit(main())
