"""Finds out why the certificate of a broker is refused, which librdkafka does not report."""

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

from cdc.conf import CdcSettings
from cdc.kafka.client import FOUND_BY_THE_LIBRARY

_SECONDS = 3.0
_PORT = 9092


def refused_certificate(settings: CdcSettings) -> str:
    """Return which broker's certificate is refused and why; empty if none of them is refused."""
    context = _context(settings.kafka_config)
    for server in settings.bootstrap_servers.split(","):
        host, separator, port = server.strip().rpartition("://")[2].rpartition(":")
        host, number = (host, int(port)) if separator and port.isdigit() else (port, _PORT)
        host = host.strip("[]")
        try:
            with (
                socket.create_connection((host, number), _SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                pass
        except ssl.SSLCertVerificationError as error:
            return f"the certificate of {host}:{number} is refused: {error.verify_message}"
        except OSError:
            continue
    return ""


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
