"""Many clients of the live stream in one event loop, with little CPU time for each."""

import asyncio
import re
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, time

import orjson

_CHUNK = 262_144
_CHANGE = b"event: change\n"
_ID = b"\nid: "
_RETRY = re.compile(rb"^retry: (\d+)$", re.MULTILINE)
_PER_ADDRESS = 100
"""The number of clients that connect from one loopback address (Linux)."""
_SAMPLE_EVERY = 20
"""Every twentieth client parses its events. The other clients only count events."""


class Chunks:
    """Decodes the body of a chunked HTTP response incrementally."""

    def __init__(self) -> None:
        # The bytes that are not decoded yet, and the number of missing bytes of the current chunk.
        # That number is -1 until the end of the headers.
        self._rest, self._left = b"", -1

    def feed(self, data: bytes) -> bytes:
        """Return the part of the body that `data` completes."""
        data, body = self._rest + data, []
        if self._left < 0:
            _, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = data
                return b""
            self._left, data = 0, rest
        while data:
            if not self._left:
                length, found, rest = data.lstrip(b"\r\n").partition(b"\r\n")
                if not found:
                    break
                self._left, data = int(length, 16), rest
                if not self._left:
                    break
            body.append(data[: self._left])
            data = data[self._left :]
            self._left -= len(body[-1])
        self._rest = data
        return b"".join(body)


@dataclass
class Received:
    """The state of one client, with the changes that it has received."""

    sampled: bool
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    attempts: int = 0
    retry: float = 1.0
    """The seconds before the next attempt, as requested by the stream."""
    last_id: bytes = b""
    count: int = 0
    positions: set[tuple[int, int]] = field(default_factory=set)
    rest: bytes = b""
    chunks: Chunks = field(default_factory=Chunks)


class Clients:
    def __init__(self, url: str, cookies: Sequence[str], readers: int) -> None:
        self._host, port = url.removeprefix("http://").split(":")
        self._port, self._cookies = int(port), cookies
        self.received = [Received(sampled=number % _SAMPLE_EVERY == 0) for number in range(readers)]
        self.delays: list[float] = []
        """The seconds from the capture of each change until a sampled client received it."""
        self.ended = 0
        """How often a stream has ended after its client had caught up."""
        self.returned: list[float] = []
        """The times at which clients whose streams had ended received a stream again."""
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> None:
        """Connect all clients, 10 ms apart, and wait until each receives new events."""
        for number, received in enumerate(self.received):
            self._tasks.append(asyncio.create_task(self._receive(number, received)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*(received.connected.wait() for received in self.received))

    @property
    def refused(self) -> int:
        """The number of failed attempts to connect."""
        made = sum(received.attempts for received in self.received)
        return made - self.ended - sum(each.connected.is_set() for each in self.received)

    @property
    def most_at_once(self) -> int:
        """The largest number of clients that returned within one second."""
        times = sorted(self.returned)
        return max((bisect_right(times, at + 1) - n for n, at in enumerate(times)), default=0)

    @property
    def counts(self) -> list[int]:
        """The number of changes that each client has received."""
        return [received.count for received in self.received]

    @property
    def doubled(self) -> int:
        """The number of changes that sampled clients have received twice."""
        return sum(each.count - len(each.positions) for each in self.received if each.sampled)

    async def wait_for(self, count: int, seconds: float) -> None:
        """Wait until all clients have received `count` changes, for at most `seconds`."""
        for _ in range(round(seconds * 10)):
            if min(self.counts) >= count:
                return
            await asyncio.sleep(0.1)

    async def wait_until_returned(self, seconds: float) -> None:
        """Wait until all clients have returned, for at most `seconds`."""
        for _ in range(round(seconds * 10)):
            if len(self.returned) >= len(self.received):
                return
            await asyncio.sleep(0.1)

    async def _receive(self, number: int, received: Received) -> None:
        """Read the stream as a browser does: after its end, continue after the last event."""
        while True:
            if received.attempts:
                await asyncio.sleep(received.retry)
            received.attempts += 1
            with suppress(OSError):
                await self._read(await self._open(number, received.last_id), received)
            if received.connected.is_set():
                received.connected.clear()
                self.ended += 1

    async def _open(self, number: int, last_id: bytes) -> asyncio.StreamReader:
        address = f"127.0.0.{1 + number // _PER_ADDRESS}"
        reader, writer = await asyncio.open_connection(
            self._host, self._port, limit=_CHUNK, local_addr=(address, 0)
        )
        self._writers.append(writer)
        request = f"GET /feed/stream HTTP/1.1\r\nHost: {self._host}\r\n"
        cookie = self._cookies[number % len(self._cookies)]
        head = f"{request}Cookie: sessionid={cookie}\r\n".encode()
        if last_id:
            head += b"Last-Event-ID: %b\r\n" % last_id
        writer.write(head + b"\r\n")
        return reader

    async def _read(self, reader: asyncio.StreamReader, received: Received) -> None:
        received.chunks = Chunks()
        while data := await reader.read(_CHUNK):
            body = received.rest + received.chunks.feed(data)
            if not received.connected.is_set() and _began(received, body):
                received.connected.set()
                if self.ended:
                    self.returned.append(monotonic())
            end = body.rfind(b"\n\n") + 2 if b"\n\n" in body else 0
            received.rest = body[end:]
            _remember(received, body[:end])
            if received.sampled:
                self._parse(received, body[:end])
            else:
                received.count += body.count(_CHANGE, 0, end)

    def _parse(self, received: Received, body: bytes) -> None:
        now = time()
        for frame in body.split(b"\n\n"):
            if _CHANGE not in frame:
                continue
            received.count += 1
            change = orjson.loads(frame[frame.index(b"data: ") + 6 :])
            received.positions.add((change["partition"], change["offset"]))
            self.delays.append(now - datetime.fromisoformat(change["at"]).timestamp())


def _began(received: Received, body: bytes) -> bool:
    """Return whether new events follow; a resumed stream begins only with the delay `retry`."""
    return b"event: here" in body or (bool(received.last_id) and b"retry: " in body)


def _remember(received: Received, body: bytes) -> None:
    """Store what a browser remembers of a stream: the last id and the delay until it reconnects."""
    _, found, rest = (b"\n" + body).rpartition(_ID)
    if found:
        received.last_id = rest.partition(b"\n")[0]
    if found_retry := _RETRY.findall(body):
        received.retry = int(found_retry[-1]) / 1000
