"""Client connections, with limits on their number and on the time that a client may take."""

import asyncio
from dataclasses import replace
from enum import Enum
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from project.http.admission import PROBES
from project.http.asgi_types import Receive, Scope, Send
from project.http.refusal import BUSY

_WRITE_SECONDS = 60.0
"""How long a client may receive nothing while data waits for it."""
_LARGEST_UPLOAD = 10_485_760
"""If a request has more bytes than this, its connection is closed, even if the request has already
been refused."""
_SPARE = 32
"""How many connections above the limit may wait for their requests, so that a probe can connect."""
_SENTENCE = b"The request took too long to arrive: try again.\n"
_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
) % (len(_SENTENCE), _SENTENCE)
_FULL = replace(BUSY, close=True)


class Phase(Enum):
    """What the server does with a connection."""

    HEAD = "head"
    """Waits for the first line and the headers of a request."""
    BODY = "body"
    """Waits for the rest of a body."""
    SERVING = "serving"


SECONDS = {Phase.HEAD: 10.0, Phase.BODY: 30.0}
"""How long a part of a request may take to arrive."""


class ClientConnection(H11Protocol):
    """uvicorn's connection, closed if its client is slow or if there are too many connections.

    If a new connection exceeds the limit `most`, one connection is closed. If more than 32 requests
    are arriving, it is the connection whose request has been arriving for the longest time.
    Otherwise, it is the connection whose client stopped receiving data the longest time ago; if no
    client has stopped, none is closed. If `most` connections are serving requests, further requests
    get status 503, except those of probes.
    """

    most: ClassVar[int] = 10_000
    arriving: ClassVar[dict["ClientConnection", None]] = {}
    """The connections whose requests have not arrived completely, the longest waiting first."""
    stalled: ClassVar[dict["ClientConnection", None]] = {}
    """The connections whose clients have stopped receiving data, the longest stalled first."""
    _phase = Phase.SERVING
    _timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._update()
        surplus = self.arriving if len(self.arriving) > _SPARE else self.stalled
        if len(self.connections) > self.most and surplus:
            oldest = next(iter(surplus))
            del surplus[oldest]  # `abort` takes effect later
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter(Phase.SERVING)
        self._end_stall()
        self.flow.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > _LARGEST_UPLOAD:
            self.transport.abort()
            return
        full = len(self.connections) - len(self.arriving) >= self.most
        self.app = self._answer_probe if full else self.config.loaded_app
        super().data_received(data)
        self._update()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._update()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._begin_stall()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._end_stall()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._update()

    def _begin_stall(self) -> None:
        if not self._stall_timer:
            self.stalled[self] = None
            self._stall_timer = self.loop.call_later(_WRITE_SECONDS, self.transport.abort)

    def _end_stall(self) -> None:
        self.stalled.pop(self, None)
        if self._stall_timer:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _update(self) -> None:
        states: dict[Any, Phase] = {h11.IDLE: Phase.HEAD, h11.SEND_BODY: Phase.BODY}
        phase = states.get(self.conn.their_state, Phase.SERVING)
        if phase is not self._phase:
            self._enter(phase)
        if self.transport.is_closing():
            self._begin_stall()  # the transport stays open until its client has received everything

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self.arriving.pop(self, None)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if phase in SECONDS:
            self.arriving[self] = None
            self._timer = self.loop.call_later(SECONDS[phase], self._late)
        if phase is not Phase.BODY:
            self._received = 0

    def _late(self) -> None:
        """Close the connection; a client that has sent a part of a request gets status 408."""
        if self._received and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.write(_LATE)
        self.transport.close()
        self._begin_stall()

    async def _answer_probe(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            await self.config.loaded_app(scope, receive, send)
        else:
            await _FULL.send(send)
