"""What every Kafka client of the feed is configured with."""

import logging
import socket
from typing import Any

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured

ENVELOPE_ROOM = 100_000
"""Bytes over `MAX_EVENT_BYTES` that clients and topics allow for keys and headers."""
_log = logging.getLogger("cdc.kafka")


def client_config(settings: CdcSettings, **config: Any) -> dict[str, Any]:
    """Return librdkafka's configuration; raises Misconfigured when no broker is named."""
    if not settings.bootstrap_servers:
        raise Misconfigured(
            "KAFKA_BOOTSTRAP_SERVERS is not set: give host:port, or run `manage.py up`."
        )
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": f"storyfeed@{socket.gethostname()}",
        "log.connection.close": False,
        "topic.metadata.refresh.interval.ms": 5000,
        "logger": _log,
        **config,
        **settings.kafka_config,
    }
