"""Explains why brokers refuse the connections of a client, and logs the client's errors."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from cdc.conf import CdcSettings
from cdc.errors import Retryable
from cdc.kafka.certificate import refused_certificate, speaks_tls
from cdc.runtime import telemetry

if TYPE_CHECKING:
    from concurrent.futures import Future

REQUEST_SECONDS = 5.0
"""The timeout of a request to Kafka."""
_REPEAT_SECONDS = 30.0
_POLL_SECONDS = 0.05
_RECONNECT_SECONDS = 1.0
"""The time within which a client reconnects, longer than `reconnect.backoff.max.ms`."""
_SERVER = re.compile(r"\A\w+://([^/]+)/\S+: ")
_STATE = re.compile(r" \(after \d+ms in state \w+\)")
_TLS_FAILED = re.compile(r"SSL handshake failed|SSL routines|certificate verify failed")
_PLAIN_SERVER = "connecting to a PLAINTEXT broker listener"
_REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 -- a documented code
        KafkaError._SSL,  # noqa: SLF001 -- a documented code
    }
)
_CONNECTION_LOST = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 -- a documented code
        KafkaError._RESOLVE,  # noqa: SLF001 -- a documented code
        KafkaError._TIMED_OUT,  # noqa: SLF001 -- a documented code
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 -- a documented code
        KafkaError.REQUEST_TIMED_OUT,
    }
)
T = TypeVar("T")
_log = logging.getLogger("cdc.kafka")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why brokers refuse connections, and the remedy; neither has a full stop."""

    sentence: str
    remedy: str
    is_login: bool = False
    """Whether the brokers refuse the login, so that a retry cannot succeed."""

    @property
    def text(self) -> str:
        """The refusal and the remedy, in one sentence."""
        return f"{self.sentence}: {self.remedy}."


class ErrorLog:
    """The errors of a client: logs each error code at most once in 30 seconds, and explains them.

    An instance is the `error_cb` of its client, which is called when the client is polled. The
    client reports a repeated error at most once a minute. A cause therefore stays known until the
    owner of the client calls `forget`, after an answer from a broker.
    """

    def __init__(self, settings: CdcSettings) -> None:
        self._settings = settings
        self._logged: dict[str, float] = {}
        self._last: KafkaError | None = None
        """The last error that named a cause, since a broker last answered."""
        self._is_explained = self._are_closed = False
        """Whether an error has named a cause since the last report that all brokers are down; and
        whether no error had named a cause before that report."""
        self._is_new = False
        """Whether an error came during the current request."""
        self.is_unanswered = False
        """Whether the last request got no answer from a broker."""
        self._examined: tuple[KafkaError, Refusal | None] | None = None

    def __call__(self, error: KafkaError) -> None:
        self._is_new = True
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 -- a documented code
            self._down()
        else:
            self._last, self._is_explained, self._are_closed = error, True, False
        name, now = error.name(), time.monotonic()
        if now - self._logged.get(name, float("-inf")) >= _REPEAT_SECONDS:
            self._logged[name] = now
            text = self._sentence(error)
            telemetry.log(_log, logging.WARNING, telemetry.KAFKA_ERROR, error=text)

    def answer(
        self,
        admin: AdminClient,
        request: "Future[T]",
        keep_waiting: Callable[[], bool] = lambda: True,
    ) -> T:
        """Return the answer to a request of the client; raise KafkaException or TimeoutError.

        If the brokers refuse the connection, the wait ends at once. If they refused it before the
        request, the client gets time to reconnect. Raise Retryable when `keep_waiting` returns
        False; it is called about 20 times a second.
        """
        admin.poll(0)
        self._is_new = False
        began = time.monotonic()
        while True:
            try:
                found = request.result(_POLL_SECONDS)
            except TimeoutError:
                admin.poll(0)
                if self._ends(time.monotonic() - began):
                    raise
                if not keep_waiting():
                    raise Retryable("A request to Kafka was cancelled.") from None
            except KafkaException as error:
                if _is_answer(error):
                    self.forget()
                raise
            else:
                self.forget()
                return found

    def forget(self) -> None:
        """Forget the errors, because a broker has answered the client, or the client is new."""
        self._last, self._is_explained, self._are_closed = None, False, False
        self.is_unanswered = False

    def last_refusal(self) -> Refusal | None:
        """Return why a broker refuses the login or TLS; None if the last error is not a refusal."""
        if self._last is None:
            return None
        if self._examined is None or self._examined[0] is not self._last:
            self._examined = self._last, _refusal_of(self._last, self._settings.kafka_config)
        return self._examined[1]

    def refusal(self) -> Refusal | None:
        """Return why brokers refuse the connections; None if the last error is not a refusal."""
        return _closing(self._settings) if self._are_closed else self.last_refusal()

    def unavailable(self, request: str, name: str, error: BaseException | None = None) -> Retryable:
        """Return the error for a request that failed or that Kafka did not answer.

        `request` is a verb phrase, such as `describe the topic`, and `name` is its object.
        """
        self.note(error)
        if _is_answer(error):
            return unavailable(request, name, error)
        if refusal := self.refusal():
            return Retryable(refusal.text)
        return unavailable(request, name, _text(self._last) if self._last else error)

    def note(self, error: BaseException | None) -> None:
        """Record that a request failed; no error means that it got no answer in time."""
        found = _kafka_error(error)
        if found is not None and found.code() == KafkaError._DESTROY:  # noqa: SLF001 -- documented
            return  # The request of a client that was replaced: no news of the new client.
        # The library's own errors have negative codes.
        self.is_unanswered = not _is_answer(error) or (found is not None and found.code() < 0)

    @property
    def _is_refused(self) -> bool:
        return self._are_closed or (
            self._last is not None and _refused_server(self._last) is not None
        )

    def _ends(self, waited: float) -> bool:
        """Return whether to give up a request that has waited for this many seconds."""
        refused = self._is_refused and (self._is_new or waited >= _RECONNECT_SECONDS)
        return refused or waited >= REQUEST_SECONDS

    def _down(self) -> None:
        """Record that no broker is connected. Brokers that close connections name no cause."""
        is_known = self._last is not None and _refused_server(self._last) is not None
        if not self._is_explained and not is_known:
            self._last, self._are_closed = None, True
        self._is_explained = False

    def _sentence(self, error: KafkaError) -> str:
        is_cause = error is self._last
        refusal = self.refusal() if is_cause or self._are_closed else None
        if refusal:
            return refusal.text
        if is_cause and error.code() in _CONNECTION_LOST:
            return f"Kafka is not responding ({_text(error)}): check its brokers."
        return error.str()


def unavailable(request: str, name: str, reason: object = None) -> Retryable:
    """Return the error for a request that failed or that Kafka did not answer.

    `request` is a verb phrase, such as `describe the topic`, and `name` is its object.
    """
    shown = str(reason or "") or "no answer in time"
    return Retryable(f"Kafka could not {request} {name!r} ({shown}): check its brokers.")


def _refusal_of(error: KafkaError, config: Mapping[str, str]) -> Refusal | None:
    text = _text(error)
    if (server := _refused_server(error)) is None:
        return None
    reason = _SERVER.sub("", text)
    if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 -- a documented code
        return Refusal(
            f"Kafka refuses the login ({server}: {reason})",
            "correct the sasl.* settings in KAFKA_CONFIG",
            is_login=True,
        )
    if _PLAIN_SERVER in text:
        return Refusal(
            f"Kafka does not use TLS on {server}",
            "name a listener with TLS in KAFKA_BOOTSTRAP_SERVERS, or correct security.protocol in "
            "KAFKA_CONFIG",
        )
    if refused := refused_certificate(server, config):
        return Refusal(
            f"Kafka's certificate is refused ({server}: {refused})",
            "renew the certificate, or correct ssl.ca.location in KAFKA_CONFIG or the host name in "
            "KAFKA_BOOTSTRAP_SERVERS",
        )
    return Refusal(
        f"Kafka refuses the TLS connection ({server}: {reason})",
        "correct the ssl.* settings in KAFKA_CONFIG",
    )


def _refused_server(error: KafkaError) -> str | None:
    """Return the broker that refuses the login or TLS; None for any other kind of error."""
    text = _text(error)
    refused = error.code() in _REFUSED or _TLS_FAILED.search(text) is not None
    server = _SERVER.match(text)
    return server[1] if refused and server else None


def _closing(settings: CdcSettings) -> Refusal | None:
    """Return why reachable brokers close every connection."""
    protocol = settings.kafka_config.get("security.protocol", "plaintext").lower()
    for server in filter(None, map(str.strip, settings.bootstrap_servers.split(","))):
        found = speaks_tls(server)
        if found and not protocol.endswith("ssl"):
            return Refusal(
                f"Kafka requires TLS on {server}",
                "set security.protocol to SSL or SASL_SSL in KAFKA_CONFIG",
            )
        if found is not None and not protocol.startswith("sasl"):
            return Refusal(
                f"Kafka closes each connection to {server}",
                "set security.protocol and the sasl.* settings in KAFKA_CONFIG if the broker "
                "requires a login; otherwise check the broker's log",
            )
    return None


def _is_answer(error: BaseException | None) -> bool:
    """Return whether the error is a broker's answer to the request."""
    found = _kafka_error(error)
    return found is not None and found.code() not in _CONNECTION_LOST | _REFUSED


def _kafka_error(error: BaseException | None) -> KafkaError | None:
    found = error.args[0] if error is not None and error.args else None
    return found if isinstance(found, KafkaError) else None


def _text(error: KafkaError) -> str:
    return _STATE.sub("", error.str())
