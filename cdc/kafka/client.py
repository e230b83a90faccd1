"""The common configuration of the pipeline's Kafka clients."""

import logging
import re
import socket
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured, Retryable
from cdc.kafka.certificate import FOUND_BY_THE_LIBRARY
from cdc.kafka.refusals import ErrorLog

ENVELOPE_ROOM = 100_000
"""The bytes beyond `MAX_EVENT_BYTES` that clients and topics allow, for keys and headers."""
_SECRET = re.compile(r"pas+w|pwd|secret|token|jaas|pem|cred|\.key\Z|oauthbearer\.config")
"""Settings whose values are never shown in a message."""
_FILES = re.compile(r"\Assl\..*\.location\Z")
Client = TypeVar("Client")
_log = logging.getLogger("cdc.kafka")


def client_config(settings: CdcSettings, **config: Any) -> dict[str, Any]:
    """Return librdkafka's configuration; raise Misconfigured if it is invalid or has no broker."""
    if not settings.bootstrap_servers:
        raise Misconfigured(
            "KAFKA_BOOTSTRAP_SERVERS is not set: set it to host:port, or run `manage.py up`."
        )
    require_valid_config(tuple(settings.kafka_config.items()))
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": f"{settings.client_name}@{socket.gethostname()}",
        # A client that cannot connect would log several lines a second. librdkafka itself therefore
        # logs only critical messages, and `error_cb` logs the other errors at intervals.
        "log.connection.close": False,
        "log_level": 2,
        "error_cb": ErrorLog(settings),
        # By default, a client may wait 10 s before it reconnects to a broker that has restarted.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 500,
        # Otherwise, a client of librdkafka 2.16 loops without waiting while a broker is down.
        "enable.sparse.connections": False,
        "topic.metadata.refresh.interval.ms": 5000,
        "logger": _log,
        # A broker would create a missing topic with one partition and without compaction.
        "allow.auto.create.topics": False,
        **config,
        **settings.kafka_config,
    }


def consumer_config(settings: CdcSettings, **config: Any) -> dict[str, Any]:
    """Return the configuration of a client that reads records or offsets.

    The relay uses no transactions. If another program opens a transaction on the topic, a client
    with the library's default (`read_committed`) stops before that transaction, and treats its
    start as the end of the partition.
    """
    own = {"isolation.level": "read_uncommitted", "check.crcs": True}
    return client_config(settings, **{**own, **config})


def make_client(kind: Callable[[dict[str, Any]], Client], config: dict[str, Any]) -> Client:
    """Return a client; raise Misconfigured if librdkafka does not accept the configuration."""
    try:
        return kind(config)
    except (KafkaException, TypeError, ValueError) as error:
        raise Misconfigured(f"KAFKA_CONFIG is not valid ({_reason(error)}): correct it.") from None


def remake_client(kind: Callable[[dict[str, Any]], Client], config: dict[str, Any]) -> Client:
    """Return a replacement of a client; raise Retryable if it cannot be made.

    A file that the configuration names, such as a certificate, may be missing for a moment. Keep
    the old client until this function has returned.
    """
    try:
        return make_client(kind, config)
    except Misconfigured as error:
        raise Retryable(str(error)) from error


class Renewed(Generic[Client]):
    """A client that is replaced before the next request if the last request got no answer.

    While all brokers are fenced, as after a pause of the machine, a broker may list no brokers at
    all. A client of librdkafka 2.10 or later then drops its brokers, and may never look for others
    (librdkafka issue 5301).
    """

    def __init__(
        self,
        kind: Callable[[dict[str, Any]], Client],
        config: dict[str, Any],
        errors: ErrorLog,
        close: Callable[[Client], None] = lambda _: None,
    ) -> None:
        """`errors` is the `error_cb` in `config`. A client that is replaced is given to `close`."""
        self._remake = partial(remake_client, kind, config)
        self._errors, self._close = errors, close
        self._client = make_client(kind, config)

    def __call__(self) -> Client:
        if self._errors.is_unanswered:
            self.renew()
        return self._client

    def renew(self) -> None:
        """Replace the client, and forget its requests and errors.

        Raise Retryable, and keep the client, if no other client can be made.
        """
        client = self._remake()
        self.close()
        self._client = client
        self._errors.forget()

    def close(self) -> None:
        self._close(self._client)


@lru_cache(maxsize=16)
def require_valid_config(given: tuple[tuple[str, str], ...]) -> None:
    """Raise Misconfigured for the first setting that librdkafka does not know or accept."""
    for name, value in given:
        if _FILES.match(name) and value != FOUND_BY_THE_LIBRARY:
            _require_readable(name, value)
        try:
            AdminClient({"log_level": 0, name: value})
        except (KafkaException, TypeError, ValueError) as error:
            # Some settings are valid only together with others: `make_client` checks such settings.
            reason = _reason(error)
            if not reason.startswith("Failed to create"):
                raise Misconfigured(_refusal(name, value, reason)) from None


def _refusal(name: str, value: str, reason: str) -> str:
    shown = "" if _SECRET.search(name) else f" with the value {value!r}"
    if _SECRET.search(name):
        reason = reason.replace(value, "…") if value else reason
    return (
        f"KAFKA_CONFIG has {name!r}{shown}, which librdkafka refuses ({reason}): "
        "correct it, or remove it."
    )


def _require_readable(name: str, path: str) -> None:
    try:
        if not Path(path).is_dir():
            Path(path).open("rb").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Misconfigured(
            f"KAFKA_CONFIG has {name!r} with the value {path!r}, which cannot be read ({reason}): "
            "name a readable file."
        ) from None


def _reason(error: Exception) -> str:
    found = error.args[0] if error.args else error
    text = found.str() if isinstance(found, KafkaError) else str(found)
    return " ".join(text.split()).rstrip(".")
