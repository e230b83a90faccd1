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


@dataclass
class Seen:
    """What one reader has received."""

    sampled: bool
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    count: int = 0
    places: set[tuple[int, int]] = field(default_factory=set)
    rest: bytes = b""


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
            # What is looked for is never cut in two: each chunk of the answer is whole frames.
            if b"event: here" in data:
                seen.begun.set()
            *whole, seen.rest = (seen.rest + data).split(b"\n\n")
            changes = [frame for frame in whole if _CHANGE in frame]
            seen.count += len(changes)
            if seen.sampled:
                self._look(seen, changes)
        self.ended += 1

    def _look(self, seen: Seen, changes: list[bytes]) -> None:
        now = time()
        for frame in changes:
            change = orjson.loads(frame[frame.index(b"data: ") + 6 :])
            seen.places.add((change["partition"], change["offset"]))
            self.delays.append(now - datetime.fromisoformat(change["at"]).timestamp())
