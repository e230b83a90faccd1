"""Many readers of a stream in one event loop, as cheap as they can be."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from time import time

import orjson

_CHUNK = 262_144
_CHANGE = b"event: change\n"
_SAMPLED = 20
"""One in so many is looked at closely: the others only count, so that reading costs little."""


class Chunks:
    """Takes an answer's bytes as they come; returns what is between the lengths of its chunks."""

    def __init__(self) -> None:
        # What cannot be read yet, and how much of a chunk is to come; less than nothing: the head.
        self._rest, self._left = b"", -1

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the body."""
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
class Seen:
    """What one reader has received."""

    sampled: bool
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0
    places: set[tuple[int, int]] = field(default_factory=set)
    rest: bytes = b""
    chunks: Chunks = field(default_factory=Chunks)


class Crowd:
    """All readers."""

    def __init__(self, url: str, cookie: str, readers: int) -> None:
        self._host, port = url.removeprefix("http://").split(":")
        self._port, self._cookie = int(port), cookie
        self.seen = [Seen(sampled=number % _SAMPLED == 0) for number in range(readers)]
        self.delays: list[float] = []
        """Seconds from a change's capture to a reader, of those that are looked at."""
        self.ended = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def gather(self) -> None:
        """Connect everybody, one after the other."""
        for seen in self.seen:
            self._tasks.append(asyncio.create_task(self._read(seen)))
            await asyncio.sleep(0.01)
        await asyncio.gather(*(seen.begun.wait() for seen in self.seen))

    @property
    def counts(self) -> list[int]:
        """How many changes each has received."""
        return [seen.count for seen in self.seen]

    @property
    def doubled(self) -> int:
        """How many changes came twice to those who are looked at."""
        return sum(seen.count - len(seen.places) for seen in self.seen if seen.sampled)

    async def reach(self, count: int, seconds: float) -> None:
        """Return when everybody has received so many, or after so long."""
        for _ in range(round(seconds * 10)):
            if min(self.counts) >= count:
                return
            await asyncio.sleep(0.1)

    async def _read(self, seen: Seen) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=_CHUNK)
        request = f"GET /feed/stream HTTP/1.1\r\nHost: {self._host}\r\n"
        writer.write(f"{request}Cookie: sessionid={self._cookie}\r\n\r\n".encode())
        while data := await reader.read(_CHUNK):
            body = seen.rest + seen.chunks.feed(data)
            if not seen.begun.is_set() and b"event: here" in body:
                seen.begun.set()
            end = body.rfind(b"\n\n") + 2 if b"\n\n" in body else 0
            seen.rest = body[end:]
            if seen.sampled:
                self._look(seen, body[:end])
            else:
                seen.count += body.count(_CHANGE, 0, end)
        self.ended += 1

    def _look(self, seen: Seen, body: bytes) -> None:
        now = time()
        for frame in body.split(b"\n\n"):
            if _CHANGE not in frame:
                continue
            seen.count += 1
            change = orjson.loads(frame[frame.index(b"data: ") + 6 :])
            seen.places.add((change["partition"], change["offset"]))
            self.delays.append(now - datetime.fromisoformat(change["at"]).timestamp())
