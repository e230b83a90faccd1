"""A TCP proxy on loopback whose connections a test can cut, slow down or reset."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

from project.stack.ports import LOOPBACK

_CHUNK = 65_536
_SECONDS = 30.0
# SO_LINGER with a timeout of 0 makes close() send RST.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections on `port` to the port `target`, in a thread of its own.

    While the proxy is cut, connections stay open and transfer nothing, as if a network dropped
    all packets. No byte is lost: transfer resumes when the cut ends.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)

    def cut(self) -> None:
        """Stop the transfer until `restore`."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def slow(self, seconds: float) -> None:
        """Delay each chunk of data by `seconds` until `restore`."""
        self._delay = seconds

    def silence(self) -> None:
        """Stop all responses to clients until `restore`, as if the server were suspended.

        Existing connections are reset, so that clients try to connect again.
        """
        self.cut()
        self.reset()

    def stop(self) -> None:
        """Refuse connections until `start`, as if the server were stopped."""
        self._run(self._close())

    def start(self) -> None:
        """Accept connections again."""
        self._run(self._listen())

    def restore(self) -> None:
        """End a cut or a delay."""
        self._delay = 0.0
        self._loop.call_soon_threadsafe(self._open.set)

    def reset(self) -> None:
        """Close all connections with RST. New connections work."""
        self._run(self._abort())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _listen(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def _close(self) -> None:
        self._server.close()
        await self._abort()

    async def _abort(self) -> None:
        for writer in list(self._writers):
            if not writer.is_closing():
                end = writer.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            there, back = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            writer.close()
            return
        ends = {writer, back}
        self._writers |= ends
        ways = [
            asyncio.create_task(self._forward(reader, back)),
            asyncio.create_task(self._forward(there, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        self._writers -= ends
        for each in ends:
            each.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # One side has closed or reset the connection.
            while data := await reader.read(_CHUNK):
                await asyncio.sleep(self._delay)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
