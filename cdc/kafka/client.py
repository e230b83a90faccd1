"""What every Kafka client of the feed is configured with."""

import logging
import socket
import time
from typing import Any

from confluent_kafka import KafkaError

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured
from cdc.runtime import telemetry

ENVELOPE_ROOM = 100_000
"""Bytes over `MAX_EVENT_BYTES` that clients and topics allow for keys and headers."""
_SILENCE_SECONDS = 30.0
_log = logging.getLogger("cdc.kafka")


class Complaints:
    """Logs what a client complains of, each sort at most once in a while."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def __call__(self, error: KafkaError) -> None:
        """Write one line, unless one of this sort was written a moment ago."""
        name, now = error.name(), time.monotonic()
        if now - self._said.get(name, float("-inf")) >= _SILENCE_SECONDS:
            self._said[name] = now
            telemetry.log(_log, logging.WARNING, telemetry.KAFKA_ERROR, error=error.str())


def client_config(settings: CdcSettings, **config: Any) -> dict[str, Any]:
    """Return librdkafka's configuration; raises Misconfigured when no broker is named."""
    if not settings.bootstrap_servers:
        raise Misconfigured(
            "KAFKA_BOOTSTRAP_SERVERS is not set: give host:port, or run `manage.py up`."
        )
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": f"{settings.client_name}@{socket.gethostname()}",
        # A client that cannot connect would write several lines a second: what is wrong is said by
        # `error_cb`, seldom, and librdkafka itself only says what is critical.
        "log.connection.close": False,
        "log_level": 2,
        "error_cb": Complaints(),
        # By default a client may wait 10 s before it tries a broker that is up again.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.interval.ms": 5000,
        "logger": _log,
        **config,
        **settings.kafka_config,
    }
