"""Reads the body of a request, within limits, before the request takes a thread."""

from collections.abc import Iterator
from http import HTTPStatus

from project.http.asgi_types import Message, Receive, Scope
from project.http.refusal import BUSY, Refusal

_LARGEST_BODY = 2_621_440
"""Django's DATA_UPLOAD_MAX_MEMORY_SIZE."""
_SMALL_BODY = 65_536
_LARGEST_TOTAL = 33_554_432
_TOO_LARGE = Refusal(
    status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    sentence=f"The request is too large: send at most {_LARGEST_BODY} bytes.",
)
# If Django cannot decode these parameters, it cannot create a request. No browser sends them.
_ENCODED_TYPE = Refusal(
    status=HTTPStatus.BAD_REQUEST,
    sentence="The Content-Type header has encoded parameters: send them as plain text.",
)


def refusal_of(scope: Scope) -> Refusal | None:
    """Return the refusal if the headers alone are a reason to refuse the request, or None."""
    if any(b"*" in kind for kind in _values(scope, b"content-type")):
        return _ENCODED_TYPE
    if any(int(length) > _LARGEST_BODY for length in _values(scope, b"content-length")):
        return _TOO_LARGE
    return None


async def drain(scope: Scope, receive: Receive, *, begun: bool = False) -> None:
    """Receive the rest of a refused body if the connection closes after the response.

    A client that is still sending when its connection closes might not receive the response. A
    client that waits for `100 Continue` sends nothing until the server has `begun` to receive.
    """
    expects = any(value.lower() == b"100-continue" for value in _values(scope, b"expect"))
    more = _closes(scope) and (begun or not expects)
    while more:
        more = (await receive()).get("more_body", False)


def _closes(scope: Scope) -> bool:
    options = b",".join(_values(scope, b"connection")).lower().split(b",")
    return scope["http_version"] == "1.0" or b"close" in map(bytes.strip, options)


def _values(scope: Scope, wanted: bytes) -> Iterator[bytes]:
    return (value for name, value in scope["headers"] if name == wanted)


class Bodies:
    """The bodies of the requests that are being received or answered.

    Small bodies are always read. All large bodies together have a limit.
    """

    def __init__(self) -> None:
        self._total = 0

    async def read(self, scope: Scope, receive: Receive) -> "Body | Refusal | None":
        """Return the whole body, a refusal, or None if the client disconnects."""
        body = Body(self)
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                body.forget()
                return None
            body.content += message.get("body", b"")
            more = message.get("more_body", False)
            if refusal := self._refusal(body):
                body.forget()
                if more:
                    await drain(scope, receive, begun=True)
                return refusal
        return body

    def count(self, change: int) -> None:
        self._total += change

    def _refusal(self, body: "Body") -> Refusal | None:
        if len(body.content) > _LARGEST_BODY:
            return _TOO_LARGE
        body.account()
        return BUSY if body.counted and self._total > _LARGEST_TOTAL else None


class Body:
    """The body of one request. A large body counts towards the total until it is forgotten."""

    def __init__(self, bodies: Bodies) -> None:
        self.content = bytearray()
        self.counted = 0
        self._bodies = bodies

    def account(self) -> None:
        if len(self.content) > _SMALL_BODY:
            self._bodies.count(len(self.content) - self.counted)
            self.counted = len(self.content)

    def forget(self) -> None:
        self._bodies.count(-self.counted)
        self.counted = 0

    def replayed(self, receive: Receive) -> Receive:
        """Return a `receive` that first returns the body, then calls the real one."""
        first: list[Message] = [
            {"type": "http.request", "body": bytes(self.content), "more_body": False}
        ]
        self.content.clear()

        async def replay() -> Message:
            return first.pop() if first else await receive()

        return replay
