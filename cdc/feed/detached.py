"""Serves streams outside of Django's handler, so that a stream does not keep its request alive.

Inside the handler, a stream would keep the request and the response until the client disconnects.
The request in turn keeps its thread, its session and its user.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
Frames = AsyncGenerator[bytes, None]
_DETACH = "cdc.detach"


class DetachedStreams:
    """An ASGI application: Django's handler, with streams that outlive the call of the handler.

    Middleware sees the response of a stream as usual, but without content.
    """

    def __init__(self, django: Application) -> None:
        self._django = django

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        detached: list[Frames] = []

        async def sent(message: Message) -> None:
            if not detached:
                await send(message)

        asked = {**scope, _DETACH: detached.append}
        # A task has its own copy of the context, which ends with the task. Django's context
        # variables refer to the request.
        await asyncio.create_task(_answer(self._django, asked, receive, sent))
        if detached:
            await _stream(detached.pop(), receive, send)


def detached(scope: Mapping[str, Any], frames: Frames) -> Frames:
    """Return the content of a response. When Django begins to send it, `frames` are detached.

    If the application is not a DetachedStreams, return `frames`, which Django then sends itself.
    """
    detach = scope.get(_DETACH)
    return _nothing(detach, frames) if detach else frames


async def _nothing(detach: Callable[[Frames], None], frames: Frames) -> Frames:
    detach(frames)
    content: tuple[bytes, ...] = ()
    for part in content:
        yield part


async def _answer(django: Application, scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await django(scope, receive, send)


async def _stream(frames: Frames, receive: Receive, send: Send) -> None:
    """Send frames until they end or the client disconnects."""
    sending = asyncio.create_task(_send(frames, send))
    leaving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not sending.done():
            sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


async def _send(frames: Frames, send: Send) -> None:
    async with aclosing(frames):
        async for frame in frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body"})
