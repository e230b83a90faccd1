"""Bursts of requests to a web process, and what they cost."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psutil

_SECONDS = 120.0
"""The time after which a client gives up."""
_CALM_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    """0 if the connection failed, or if the client gave up."""
    retry_after: int | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A page, requested by a logged-in user."""

    host: str
    port: int
    cookie: str
    path: str

    def request(self) -> bytes:
        lines = [f"GET {self.path} HTTP/1.1", f"Host: {self.host}", "Connection: close"]
        return "\r\n".join([*lines, f"Cookie: sessionid={self.cookie}", "", ""]).encode()


@dataclass(slots=True)
class Peak:
    """The highest value of each figure of a web process during a burst."""

    connections: Callable[[], int]
    """Returns the number of connections to the database server."""
    figures: Counter[str] = field(default_factory=Counter)

    async def observe(self, web: psutil.Process) -> None:
        """Update the figures until the task is cancelled."""
        while True:
            for name, value in self._now(web):
                self.figures[name] = max(self.figures[name], value)
            await asyncio.sleep(0.2)

    def _now(self, web: psutil.Process) -> Iterator[tuple[str, int]]:
        yield "memory", round(web.memory_info().rss / 1e6)
        yield "threads", web.num_threads()
        yield "descriptors", web.num_fds()
        yield "connections", self.connections()


async def ask(target: Target) -> Answer:
    """Request the page once, on a connection of its own."""
    async with _asked(target) as (answer, reader):
        if reader:
            with suppress(OSError):
                await reader.read()
    return answer


async def open_streams(target: Target, count: int) -> list[Answer]:
    """Open streams at the same moment, and close them when all have been answered."""
    answered = asyncio.Barrier(count)

    async def stream() -> Answer:
        async with _asked(target) as (answer, _):
            await answered.wait()
        return answer

    return await asyncio.gather(*(stream() for _ in range(count)))


async def burst(target: Target, *, clients: int, requests: int) -> list[Answer]:
    """Request the page `requests` times, by `clients` clients at once."""
    left = iter(range(requests))

    async def client() -> list[Answer]:
        return [await ask(target) for _ in left]

    answers = await asyncio.gather(*(client() for _ in range(clients)))
    return [answer for each in answers for answer in each]


async def calm(target: Target) -> float | None:
    """Return how long the page takes to respond; None if it does not respond with 200 in 1 s."""
    answer = await ask(target)
    return answer.seconds if answer.status == 200 and answer.seconds < _CALM_SECONDS else None


@asynccontextmanager
async def _asked(target: Target) -> AsyncIterator[tuple[Answer, asyncio.StreamReader | None]]:
    """Yield the answer, and a reader of the body, or None if the connection failed."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(target.host, target.port)
            writer.write(target.request())
            head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, EOFError, TimeoutError):
        yield Answer(status=0, retry_after=None, seconds=time.monotonic() - began), None
        return
    try:
        yield _answer(head.decode("latin-1"), time.monotonic() - began), reader
    finally:
        writer.close()


def _answer(head: str, seconds: float) -> Answer:
    first, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    found = headers.get("retry-after")
    status = int(first.split(" ")[1])
    return Answer(status=status, retry_after=int(found) if found else None, seconds=seconds)
