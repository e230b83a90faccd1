"""A Technical Worker who visits the pages and reads the live stream, while the site may fail."""

import http.client
import threading
from collections import Counter
from contextlib import suppress
from typing import Self

from project.stack.ports import LOOPBACK
from tests.support.web import session_of
from users.models import User, UserType

_PAGES = ("/stories/", "/feed/", "/technical_worker/", "/metrics", "/readyz")
_STREAM = "/feed/stream"
_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 20.0


class Visitor:
    """Requests a page every second in one thread, and reads the stream in another."""

    def __init__(self, port: int) -> None:
        worker = User.objects.create_user("w@e.example", user_type=UserType.TECHNICAL_WORKER)
        self._headers = {"Cookie": f"sessionid={session_of(worker)}"}
        self._port = port
        self.answers: Counter[int] = Counter()
        """How often each status was received; 0 means that the connection failed."""
        self.streamed = 0
        """The bytes that were received from the stream."""
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._visit, self._read)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * _PATIENCE_SECONDS)

    def _visit(self) -> None:
        number = 0
        while not self._stopped.wait(_EVERY_SECONDS):
            path = _PAGES[number % len(_PAGES)]
            number += 1
            self.answers[self._status(path)] += 1

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("GET", path, headers={**self._headers, "Connection": "close"})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        return response.status

    def _read(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE_SECONDS)
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", _STREAM, headers=self._headers)
                response = connection.getresponse()
                while not self._stopped.is_set() and (data := response.read1(65_536)):
                    self.streamed += len(data)
            connection.close()
