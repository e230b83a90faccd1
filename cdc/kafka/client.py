"""The common configuration of all Kafka clients."""

import logging
import socket
import time
from typing import Any

from confluent_kafka import KafkaError

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured, Retryable
from cdc.runtime import telemetry

ENVELOPE_ROOM = 100_000
"""The bytes over `MAX_EVENT_BYTES` that clients and topics allow, for keys and headers."""
REQUEST_SECONDS = 5.0
"""The timeout of a request to Kafka."""
_REPEAT_SECONDS = 30.0
_log = logging.getLogger("cdc.kafka")


class ErrorLog:
    """Logs the errors of a client, each error code at most once in 30 seconds."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}

    def __call__(self, error: KafkaError) -> None:
        name, now = error.name(), time.monotonic()
        if now - self._logged.get(name, float("-inf")) >= _REPEAT_SECONDS:
            self._logged[name] = now
            telemetry.log(_log, logging.WARNING, telemetry.KAFKA_ERROR, error=error.str())


def client_config(settings: CdcSettings, **config: Any) -> dict[str, Any]:
    """Return librdkafka's configuration; raise Misconfigured if no broker is configured."""
    if not settings.bootstrap_servers:
        raise Misconfigured(
            "KAFKA_BOOTSTRAP_SERVERS is not set: give host:port, or run `manage.py up`."
        )
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": f"{settings.client_name}@{socket.gethostname()}",
        # A client that cannot connect would log several lines a second. librdkafka itself therefore
        # logs only critical messages, and `error_cb` logs the other errors at intervals.
        "log.connection.close": False,
        "log_level": 2,
        "error_cb": ErrorLog(),
        # By default, a client may wait 10 s before it reconnects to a broker that has restarted.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.interval.ms": 5000,
        "logger": _log,
        **config,
        **settings.kafka_config,
    }


def unavailable(request: str, name: str, error: BaseException | None = None) -> Retryable:
    """Return the error for a request that failed or that Kafka did not answer.

    `request` is a verb phrase, such as `describe the topic`, and `name` is its object.
    """
    reason = str(error or "") or "no answer in time"
    return Retryable(f"Kafka could not {request} {name!r} ({reason}): check its brokers.")
