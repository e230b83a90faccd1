"""`/metrics` of a daemon, on METRICS_PORT of this machine: only the web has pages otherwise."""

import logging
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings

from cdc.commands import log
from cdc.errors import Misconfigured
from project.config.environment import LOOPBACK
from project.metrics.exposition import CONTENT_TYPE
from project.metrics.page import metrics_text

_HOST = "127.0.0.1"
_PATH = "/metrics"
_METRICS_SERVED = "metrics.served"
_SECONDS = 10.0
_log = logging.getLogger(__name__)


class _Page(BaseHTTPRequestHandler):
    """Answers who asks for the metrics by a name of this machine.

    A page elsewhere whose name leads to this machine could have a browser here read them.
    """

    timeout = _SECONDS

    def do_GET(self) -> None:
        """Answer."""
        if self.headers.get("Host", "").rpartition(":")[0] not in LOOPBACK:
            self.send_error(HTTPStatus.FORBIDDEN, "Ask by a name of this machine")
        elif self.path != _PATH:
            self.send_error(HTTPStatus.NOT_FOUND, f"Only {_PATH} is here")
        else:
            self._answer(metrics_text().encode())

    def log_message(self, *_: Any) -> None:
        """Keep the log for the feed."""

    def _answer(self, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(sender: str, **_: Any) -> None:
    """Serve the metrics of this daemon if METRICS_PORT is set; Misconfigured if it is taken."""
    port: int | None = settings.ENVIRONMENT.metrics_port
    if port is None:
        return
    try:
        server = ThreadingHTTPServer((_HOST, port), _Page)
    except OSError as error:
        raise Misconfigured(
            f"METRICS_PORT is {port}, which the {sender} cannot listen on ({error.strerror}): "
            "give each daemon on this machine a free one, or 0 for off."
        ) from None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    log(_log, logging.INFO, _METRICS_SERVED, daemon=sender, port=port)
