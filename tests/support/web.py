"""The web server as a process, and clients of its event stream."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from django.test import Client

from cdc.conf import CdcSettings
from cdc.kafka.publisher import KafkaPublisher
from cdc.kafka.tail import KafkaTail
from cdc.wire.records import Outgoing
from project.stack.ports import free_port
from project.up import listener
from tests.cdc.feed.frames import Frames
from tests.support.builders import change, outgoing
from tests.support.commands import retried
from tests.support.paths import ROOT
from tests.support.topics import create_topic
from users.models import User

SECONDS = 90.0
_SERVER = ("-m", "project.web_server")
_PATIENT = """\
import sys
import project.asgi  # loads Django, which the other modules need
from cdc.feed import topic_pages
from cdc.kafka import refusals, tail
from cdc.wire import windows
from project import web_server
from project.http import admission

topic_pages._SECONDS = tail._SECONDS = refusals.REQUEST_SECONDS = 60.0
windows.SECONDS = admission._PATIENCE_SECONDS = 60.0
sys.exit(web_server.main())
"""


class Web:
    """A uvicorn process, started as `up` starts it.

    If it is `patient`, a request waits longer for Kafka and for a thread. Otherwise, on a busy
    machine, it may get status 503, or a feed that is empty at first and later reloads itself.
    """

    def __init__(
        self,
        log: Path,
        environment: dict[str, str],
        *,
        debug: bool = True,  # True needs no collected static files
        patient: bool = False,
    ) -> None:
        self._log = log
        self._program = ("-c", _PATIENT) if patient else _SERVER
        debugging = {"DJANGO_DEBUG": "on" if debug else "off"}
        self._environment = {"MALLOC_ARENA_MAX": "2", **os.environ, **environment, **debugging}

    def __enter__(self) -> Self:
        self.socket = listener.listen("127.0.0.1", free_port())
        self.url = listener.url(self.socket).removesuffix("/")
        self._start()
        return self

    def restart(self) -> None:
        """Stop the process as a supervisor does, and start another one on the same socket."""
        self.process.terminate()
        self.process.wait(SECONDS)
        self._start()

    def _start(self) -> None:
        logged = len(self.log) if self._log.exists() else 0
        descriptor = self.socket.fileno()
        argv = [sys.executable, *self._program, "--fd", str(descriptor)]
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=self._environment,
                pass_fds=[descriptor],
                stdout=output,
                stderr=output,
            )
        self._wait(logged)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.socket.close()

    def _wait(self, logged: int) -> None:
        # The socket accepts connections before uvicorn serves them.
        deadline = time.monotonic() + SECONDS
        while "Uvicorn running" not in self.log[logged:]:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    @property
    def log(self) -> str:
        return self._log.read_text()


class Topic:
    """A topic with a publisher and a tail."""

    def __init__(self, settings: CdcSettings) -> None:
        self.name = settings.topic
        create_topic(settings)
        self.tail = KafkaTail(settings)
        self.publisher = KafkaPublisher(settings)
        self.made = 0

    def publish(self, count: int, title: str = "t") -> None:
        events = [
            change("c", self.made + n, self.made + n, title=title) for n in range(1, count + 1)
        ]
        self.made += count
        self.send([outgoing(event, self.name) for event in events])

    def send(self, records: list[Outgoing]) -> None:
        assert self.publisher.publish(records, lambda: True) == {}

    @property
    def everything(self) -> set[tuple[int, int]]:
        ends = retried(self.tail.bounds).end
        return {(number, offset) for number, end in enumerate(ends) for offset in range(end)}

    def close(self) -> None:
        self.tail.close()
        self.publisher.close()


def session_of(user: User) -> str:
    """Log a user in and return the session cookie."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


class Stream:
    """A client that reads `/feed/stream` in a thread until the stream ends."""

    def __init__(self, web: Web, cookie: str, query: str = "", last_id: str = "") -> None:
        assert web.process.poll() is None, web.log
        host = web.url.removeprefix("http://")
        self.connection = http.client.HTTPConnection(host, timeout=SECONDS)
        headers = {"Cookie": f"sessionid={cookie}"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", f"/feed/stream{query}", headers=headers)
        self.response = self.connection.getresponse()
        self.frames = Frames()
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, true: Callable[[], bool], seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.frames.events[-3:]
            time.sleep(0.01)

    def begun(self) -> Self:
        """Wait until the stream has delivered all earlier events, and return the stream."""
        self.until(lambda: bool(self.frames.named("here")))
        return self

    def cut(self) -> None:
        """Close the connection and wait for the end of the thread."""
        if self.connection.sock:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.ended.wait(SECONDS)

    def _read(self) -> None:
        try:
            while data := self.response.read1(65_536):
                self.frames.feed(data)
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.ended.set()
