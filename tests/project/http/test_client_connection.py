"""Slow clients and too many clients of a web server."""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TypeVar

import pytest
import uvicorn

from project.http import client_connection
from project.http.asgi_types import Receive, Scope, Send
from project.http.client_connection import ClientConnection, Phase
from project.web_server import Server

pytestmark = pytest.mark.slow

T = TypeVar("T")
SECONDS = 60.0
MOST = 20
LARGE = 60_000
"""Fits into the server's buffer for writing, but not into the small buffers of a socket."""
GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Site:
    """A server in a thread. Its page `/busy/` responds when the test says so."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=2_048)
        self.ready = threading.Event()
        config = uvicorn.Config(
            self._application,
            interface="asgi3",
            http=ClientConnection,
            lifespan="off",
            log_config=None,
            backlog=32,
        )
        self._server = Server(config)
        self.connections = self._server.server_state.connections
        self._thread = threading.Thread(target=self._server.run, args=([self.socket],))
        self._thread.start()

    def close(self) -> None:
        self.ready.set()
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(SECONDS)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.socket.getsockname(), timeout=SECONDS)

    def connect_slowly(self) -> socket.socket:
        """Connect a client that has room for little data."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(SECONDS)
        client.connect(self.socket.getsockname())
        return client

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        if scope["path"] == "/busy/":
            await asyncio.to_thread(self.ready.wait, SECONDS)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(receive())
        while scope["path"] == "/endless/" and not gone.done():
            body = b"x" * 65_536
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(0)
        gone.cancel()
        body = b"x" * LARGE if scope["path"] == "/large/" else b"ok"
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(ClientConnection, "most", MOST)
    site = Site()
    yield site
    site.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(client_connection.SECONDS, Phase.HEAD, 0.2)
    monkeypatch.setitem(client_connection.SECONDS, Phase.BODY, 0.2)


def received(client: socket.socket) -> bytes:
    """Return everything that a client receives until its connection is closed, up to 50 MB."""
    parts: list[bytes] = []
    try:
        while len(parts) < 5_000 and (part := client.recv(10_000)):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def status(client: socket.socket, path: bytes = b"/") -> int:
    """Request a page, and return its status; 0 if the connection is closed."""
    try:
        client.sendall(GET % path)
        return received_status(client)
    except (BrokenPipeError, ConnectionResetError, http.client.BadStatusLine):
        return 0


def received_status(client: socket.socket) -> int:
    """Receive one complete response, and return its status."""
    with http.client.HTTPResponse(client) as response:
        response.begin()
        response.read()
        return response.status


def until_answered(attempt: Callable[[], T]) -> T:
    """Return the answer to an attempt. Repeat the attempt while there is no answer.

    On a busy machine, the time of a connection may end before the test has sent its request.
    """
    deadline = time.monotonic() + SECONDS
    while not (answer := attempt()):
        assert time.monotonic() < deadline
    return answer


def sent_until_closed(client: socket.socket, part: bytes, pause: float = 0.0) -> int:
    """Send `part` until the connection is closed, at most 600 times. Return how often."""
    for count in range(600):
        try:
            client.sendall(part)
        except OSError:
            return count
        threading.Event().wait(pause)
    return 600


def post(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize(
    "part",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 1_000,
        post(1_000),
        post(1_000) + b"x" * 999,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
def test_request_that_does_not_arrive_is_status_408(
    site: Site, impatient: None, part: bytes
) -> None:
    def attempt() -> bytes:
        with site.connect() as client, suppress(ConnectionError):
            client.sendall(part)
            return received(client)
        return b""

    answer = until_answered(attempt)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"The request took too long to arrive: try again.\n")


def test_client_that_sends_byte_by_byte_is_closed(
    site: Site, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.connect() as client:
        assert sent_until_closed(client, b"x", pause=0.1) < 600
    monkeypatch.setitem(client_connection.SECONDS, Phase.HEAD, SECONDS)
    with site.connect() as client:
        assert status(client) == 200


def test_silent_client_is_closed(site: Site, impatient: None) -> None:
    with site.connect() as client:
        assert received(client) == b""


def test_request_that_has_arrived_may_take_longer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(client_connection.SECONDS, Phase.HEAD, 1.0)

    def attempt() -> int:
        site.ready.clear()
        with site.connect() as client, suppress(ConnectionError):
            client.sendall(GET % b"/busy/")
            threading.Event().wait(1.3)
            site.ready.set()
            assert received_status(client) == 200
            # The next request on the same connection has its own time.
            return status(client)
        return 0

    assert until_answered(attempt) == 200


def test_pipelined_requests_are_answered(site: Site) -> None:
    with site.connect() as client:
        client.sendall((GET % b"/") * 2 + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert received(client).count(b"HTTP/1.1 200") == 3


def test_client_that_receives_nothing_is_closed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "_WRITE_SECONDS", 0.2)
    with site.connect() as client:
        client.sendall(GET % b"/endless/")
        assert client.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: not site.connections)
        # What the server has sent before is still received.
        assert len(received(client)) < 50_000_000


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
def test_a_closed_connection_does_not_wait_for_a_client_that_receives_nothing(
    site: Site, impatient: None, monkeypatch: pytest.MonkeyPatch, header: bytes
) -> None:
    monkeypatch.setattr(client_connection, "_WRITE_SECONDS", 0.2)

    def attempt() -> bytes:
        with site.connect_slowly() as client, suppress(ConnectionError):
            client.sendall(b"GET /large/ HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % header)
            answer = client.recv(12)
            wait_until(lambda: not site.connections)
            assert not ClientConnection.stalled
            return answer
        return b""

    assert until_answered(attempt) == b"HTTP/1.1 200"


def test_clients_that_receive_nothing_do_not_stop_the_site(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(site.connect_slowly()).sendall(GET % b"/endless/")
        wait_until(lambda: len(ClientConnection.stalled) == MOST)
        for _ in range(5):
            assert status(stack.enter_context(site.connect())) == 200


def test_endless_upload_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_connection, "_LARGEST_UPLOAD", 1_000_000)
    with site.connect() as client:
        client.sendall(post(10**12))
        assert sent_until_closed(client, b"x" * 65_536) < 600


@pytest.mark.parametrize(
    "part", [b"", b"GET / HTTP/1.1\r\n", post(1_000), (GET % b"/") * 3], ids=range(4)
)
def test_connections_that_are_held_open_do_not_stop_the_site(site: Site, part: bytes) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(site.connect()) for _ in range(1_200)]
        for client in held:
            try:
                client.sendall(part)
            except OSError:  # already closed
                break
        for path in (b"/healthz", b"/"):
            for _ in range(50):
                client = stack.enter_context(site.connect())
                assert status(client, path) == 200
    # uvicorn's own server keeps all of them.
    assert len(ClientConnection.arriving) <= MOST + 1 + client_connection._SPARE


def test_surplus_requests_are_status_503_but_probes_are_answered(site: Site) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(site.connect()) for _ in range(MOST)]
        for client in busy:
            client.sendall(GET % b"/busy/")
        for path, code in {
            b"/": 503,
            b"/healthz": 200,
            b"/feed/": 503,
            b"/readyz": 200,
        }.items():
            client = stack.enter_context(site.connect())
            assert status(client, path) == code
        client = stack.enter_context(site.connect())
        client.sendall(GET % b"/")
        answer = received(client).lower()
        assert b"retry-after: " in answer
        assert b"connection: close" in answer
        site.ready.set()
        assert [client.recv(12) for client in busy] == [b"HTTP/1.1 200"] * MOST
        assert status(stack.enter_context(site.connect())) == 200
