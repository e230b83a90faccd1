"""Admits requests to Django: bounds the threads, database connections and memory that they use.

See docs/decisions/0029.
"""

from http import HTTPStatus

from asgiref.sync import ThreadSensitiveContext

from project.http.asgi_types import Application, Message, Receive, Scope, Send
from project.http.refusal import BUSY, Refusal
from project.http.request_body import Bodies, Body, drain, refusal_of
from project.http.threads import Slot, Threads, afterwards

_PATIENCE_SECONDS = 5.0
_AFTERWARDS_THREADS = 2
_STATIC = "/static/"
# These paths have threads of their own, so that pages cannot delay them. A path such as `/healthz/`
# is not in this table: Django responds with the 404 page, which may wait for the database.
_APART = {"/healthz": 1, "/readyz": 2, "/metrics": 2, _STATIC: 4}
PROBES = ("/healthz", "/readyz", "/metrics")
"""The paths that respond even if the process has too many connections."""
_BACKGROUND_CONNECTIONS = 9
"""The checks of the database, migrations, status and deployment need 4 connections, the reports of
the dashboard 4, and the checks of the event streams 1."""
OTHER_CONNECTIONS = sum(_APART.values()) + _AFTERWARDS_THREADS + _BACKGROUND_CONNECTIONS
"""The maximum number of database connections that a web process needs besides those for pages."""
_TOO_MANY_STREAMS = Refusal(
    status=HTTPStatus.SERVICE_UNAVAILABLE,
    sentence="Too many people are reading the feed: try again in a moment.",
)


class Admission:
    """An ASGI application that passes at most `pages` page requests at once to `application`.

    Further requests wait for a few seconds and then get status 503. A request holds a thread,
    and with it a database connection, from the arrival of its whole body to the start of its
    response. Slow clients and open streams therefore use no thread.
    """

    def __init__(
        self, application: Application, *, pages: int, stream_path: str, streams: int
    ) -> None:
        self._application = application
        self._stream_path = stream_path
        self._streams_left = streams
        self._bodies = Bodies()
        after = afterwards(_AFTERWARDS_THREADS)
        self._pages = Threads("page", pages, after)
        self._apart = {path: Threads(path.strip("/"), size, after) for path, size in _APART.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        if refusal := refusal_of(scope):
            await drain(scope, receive)
            await refusal.send(send)
            return
        body = await self._bodies.read(scope, receive)
        if isinstance(body, Refusal):
            await body.send(send)
        elif body:
            try:
                await self._answer(scope, body, receive, send)
            finally:
                body.forget()

    async def _answer(self, scope: Scope, body: Body, receive: Receive, send: Send) -> None:
        if scope["path"] != self._stream_path:
            await self._admit(scope, body, receive, send)
        elif not self._streams_left:
            await _TOO_MANY_STREAMS.send(send)
        else:
            self._streams_left -= 1
            try:
                await self._admit(scope, body, receive, send)
            finally:
                self._streams_left += 1

    async def _admit(self, scope: Scope, body: Body, receive: Receive, send: Send) -> None:
        slot = await self._threads(scope["path"]).take(_PATIENCE_SECONDS, receive)
        if slot is None:
            await BUSY.send(send)
            return
        try:
            async with ThreadSensitiveContext(executor=slot):
                await self._application(scope, body.replayed(receive), _releasing(slot, send))
        finally:
            slot.release()

    def _threads(self, path: str) -> Threads:
        return self._apart.get(_STATIC if path.startswith(_STATIC) else path, self._pages)


def _releasing(slot: Slot, send: Send) -> Send:
    """Return a `send` that releases the thread when the response starts."""

    async def sent(message: Message) -> None:
        slot.release()
        await send(message)

    return sent
