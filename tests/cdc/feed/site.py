"""The site in this process: Django's ASGI handler, with a topic in memory."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from django.core.asgi import get_asgi_application

from cdc.feed import wiring
from cdc.feed.admission.access import AccessChecks
from cdc.feed.admission.limits import Places
from cdc.feed.catch_up import CatchUp
from cdc.feed.detached import DetachedStreams
from cdc.feed.hub import Hub
from cdc.runtime.stop import StopFlag
from cdc.testing.tail import MemoryTail
from cdc.testing.twins import MemoryBroker
from tests.cdc.feed.frames import Frames
from tests.cdc.feed.records import RENDERER, TOPIC
from tests.support.builders import change, outgoing

SECONDS = 90.0


class Client:
    """A client that sends one request, and reads the response as it arrives."""

    def __init__(self, site: "Site", cookie: str, method: str, query: str, address: str) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.frames = Frames()
        self.reads = asyncio.Event()
        """While this event is not set, the client reads nothing."""
        self.reads.set()
        self._gone = asyncio.Event()
        self._asked = False
        scope = {
            "type": "http",
            "method": method,
            "path": "/feed/stream",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), (b"cookie", f"sessionid={cookie}".encode())],
            "client": (address, 1),
        }
        self.task = asyncio.create_task(site.application(scope, self._receive, self._send))

    async def begun(self) -> "Client":
        """Wait until the response has begun, and return the client."""
        await until(lambda: self.status > 0)
        return self

    async def leave(self) -> None:
        self._gone.set()
        await self.task

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            pairs = [(name.decode().lower(), value.decode()) for name, value in message["headers"]]
            self.headers, self.status = dict(pairs), message["status"]
            return
        await self.reads.wait()
        data = message.get("body", b"")
        self.body += data
        if self.headers["content-type"] == "text/event-stream":
            self.frames.feed(data)


class Site:
    """The handler, a hub, and the clients of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
        self.broker = MemoryBroker(partition_count=2)
        self.hub = Hub(self._tail, RENDERER.render, StopFlag(), linger=0.0)
        self.application: Any = DetachedStreams(get_asgi_application())
        most = {"total": 1_000, "account": 1_000, "address": 1_000, **limits}
        parts: dict[str, object] = {
            "hub": self.hub,
            "catch_up": CatchUp(self.hub),
            "places": Places(**most),
            "access_checks": AccessChecks(),
        }
        for name, part in parts.items():
            monkeypatch.setattr(wiring, name, lambda part=part: part)
        self.clients: list[Client] = []

    def open(
        self, cookie: str, query: str = "", address: str = "192.0.2.1", method: str = "GET"
    ) -> Client:
        self.clients.append(Client(self, cookie, method, query, address))
        return self.clients[-1]

    async def opened(self, cookie: str, query: str = "", address: str = "192.0.2.1") -> Client:
        """Open a stream and wait until it has reached the end of the topic."""
        client = self.open(cookie, query, address)
        await until(lambda: bool(client.frames.named("here")))
        return client

    async def status(self, cookie: str, address: str = "192.0.2.1", method: str = "GET") -> int:
        """Return the status of a stream. If it has begun, it stays open."""
        return (await self.open(cookie, "", address, method).begun()).status

    def publish(self, first: int, count: int, title: str = "t") -> None:
        events = [
            change("c", number, number, title=title) for number in range(first, first + count)
        ]
        self.broker.publish([outgoing(event, TOPIC) for event in events], lambda: True)

    def _tail(self) -> MemoryTail:
        return MemoryTail(broker=self.broker, topic=TOPIC)


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def play(
    monkeypatch: pytest.MonkeyPatch,
    scene: Callable[[Site], Coroutine[Any, Any, None]],
    **limits: int,
) -> None:
    async def run() -> None:
        site = Site(monkeypatch, **limits)
        try:
            await scene(site)
        finally:
            for client in site.clients:
                client.reads.set()
                await client.leave()
            site.hub.end()

    asyncio.run(run())
