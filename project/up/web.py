"""The web server processes, which share a listening socket."""

import http.client
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from project.config.environment import Environment
from project.http.health import HEALTH
from project.stack.child import Child
from project.up import listener
from project.up.daemon import Daemon

_ANSWER_SECONDS = 5.0


class Web:
    """The `WEB_WORKERS` uvicorn processes. Each process is restarted separately."""

    def __init__(self, logs: Path, environment: Environment) -> None:
        count = environment.web_workers
        names = ["web"] if count == 1 else [f"web-{number}" for number in range(1, count + 1)]
        self._children = [Child(name, logs) for name in names]

    def listen(self, host: str, port: int | None) -> None:
        """Bind the port. Raise Misconfigured if the port is in use."""
        for child in self._children:
            child.end_leftover()  # a leftover process may still use the port
        self._socket = listener.listen(host, port)
        self.url = listener.url(self._socket)

    def daemons(self, env: Mapping[str, str]) -> list[Daemon]:
        descriptor = self._socket.fileno()
        argv = [sys.executable, "-m", "project.web_server", "--fd", str(descriptor)]
        return [
            Daemon(child=child, argv=argv, env=env, pass_fds=[descriptor])
            for child in self._children
        ]

    def answers(self) -> bool:
        """Return whether one of the processes responds to a health check."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", HEALTH)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
