"""Serves a daemon's own metrics under `/metrics`, on METRICS_PORT of the loopback interface."""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from prometheus_client import Metric, MetricsHandler
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from cdc.commands import log, start_thread
from cdc.errors import Misconfigured
from project.config.environment import LOOPBACK
from project.metrics.process import process_registry

_HOST = "127.0.0.1"
_PATH = "/metrics"
_METRICS_SERVED = "metrics.served"
_log = logging.getLogger(__name__)


class Counts(Protocol):
    """The counters of one process."""

    def since_start(self) -> Mapping[str, int]:
        """Return every counter by name. This method is called from another thread."""


class DaemonCollector(Collector):
    """The counters of one daemon. The web process serves the totals of all processes."""

    def __init__(self, daemon: str, counts: Counts) -> None:
        self._daemon = daemon
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield one metric for each counter of the daemon."""
        for name, count in self._counts.since_start().items():
            text = f"{name.replace('_', ' ').capitalize()} since this daemon started."
            metric = CounterMetricFamily(f"storyfeed_daemon_{name}", text, labels=["daemon"])
            metric.add_metric([self._daemon], count)
            yield metric


class _Handler(MetricsHandler):
    """The handler of prometheus_client, limited to one path and to loopback host names.

    Without the check of the host name, a web page could read the metrics through a browser on this
    machine and a name that resolves to 127.0.0.1 (DNS rebinding).
    """

    timeout = 10.0

    def do_GET(self) -> None:  # noqa: N802 -- the name that http.server calls
        if self.headers.get("Host", "").rpartition(":")[0] not in LOOPBACK:
            self.send_error(HTTPStatus.FORBIDDEN, "Use a loopback name")
        elif urlsplit(self.path).path != _PATH:
            self.send_error(HTTPStatus.NOT_FOUND, f"Only {_PATH} is served")
        else:
            super().do_GET()


def serve(sender: str, counters: Counts, **_: Any) -> None:
    """Serve the metrics of the daemon `sender` if METRICS_PORT is set.

    Raise Misconfigured if the daemon cannot listen on the port.
    """
    port: int | None = settings.ENVIRONMENT.metrics_port
    if port is None:
        return
    registry = process_registry(DaemonCollector(sender, counters))
    try:
        server = ThreadingHTTPServer((_HOST, port), _Handler.factory(registry))
    except OSError as error:
        raise Misconfigured(
            f"METRICS_PORT is {port}, which the {sender} cannot listen on ({error.strerror}): "
            "give each daemon on this machine its own free port, or 0 for no metrics."
        ) from None
    start_thread("metrics", server.serve_forever)
    log(_log, logging.INFO, _METRICS_SERVED, daemon=sender, port=port)
