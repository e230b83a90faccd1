"""Finds out how a broker responds to TLS, which librdkafka does not report."""

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

FOUND_BY_THE_LIBRARY = "probe"
"""The value of `ssl.ca.location` with which librdkafka searches for the system's certificates."""
_SECONDS = 1.0
_PORT = 9092


def refused_certificate(server: str, config: Mapping[str, str]) -> str:
    """Return why a broker's certificate is refused; empty if it is not refused."""
    try:
        _handshake(server, _context(config))
    except ssl.SSLCertVerificationError as error:
        return error.verify_message.rstrip(".")
    except OSError:
        return ""
    return ""


def speaks_tls(server: str) -> bool | None:
    """Return whether a broker completes a TLS handshake; None if it is not responding."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        socket.create_connection(_address(server), _SECONDS).close()
    except OSError:
        return None
    try:
        _handshake(server, context)
    except TimeoutError:
        return None
    except OSError:
        return False
    return True


def _handshake(server: str, context: ssl.SSLContext) -> None:
    host, port = _address(server)
    with (
        socket.create_connection((host, port), _SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass


def _address(server: str) -> tuple[str, int]:
    host, separator, port = server.strip().rpartition("://")[2].rpartition(":")
    if not separator or not port.isdigit():
        return (server.strip("[]"), _PORT)
    return host.strip("[]"), int(port)


def _context(config: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that trusts the same authorities as librdkafka."""
    location = config.get("ssl.ca.location", "")
    if location == FOUND_BY_THE_LIBRARY:
        location = ""
    is_folder = bool(location) and Path(location).is_dir()
    context = ssl.create_default_context(
        cafile=None if is_folder else location or None,
        capath=location if is_folder else None,
        cadata=config.get("ssl.ca.pem"),
    )
    context.check_hostname = config.get("ssl.endpoint.identification.algorithm") != "none"
    return context
