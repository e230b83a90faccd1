"""The frames of a stream of server-sent events.

In this format, a line break ends a field. The data are therefore JSON without line breaks.
See https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from random import randrange
from typing import Any

import orjson

_SHORTEST_RETRY_MS = 1_000
_SMALLEST_SPREAD_MS = 7_000
_SPREAD_MS_PER_READER = 10


def frame(event: str, data: bytes, position: object = None) -> bytes:
    """Return one event; a browser that reconnects sends the last `position` it received."""
    head = b"" if position is None else b"id: %b\n" % str(position).encode()
    return b"%bevent: %b\ndata: %b\n\n" % (head, event.encode(), data)


def change_head(position: object) -> bytes:
    """Return the part of a change's frame that precedes the data."""
    return b"id: %b\nevent: change\ndata: " % str(position).encode()


def message(event: str, position: object = None, /, **fields: Any) -> bytes:
    """Return one event with these fields as JSON."""
    return frame(event, orjson.dumps(fields), position)


def retry(readers: int) -> bytes:
    """Return a frame with the time that a browser waits before it reconnects.

    The time is random, so that readers that lose their streams together, as in a restart, do not
    come back together. The more readers there are, the wider the range of times.
    """
    spread = max(_SMALLEST_SPREAD_MS, readers * _SPREAD_MS_PER_READER)
    return b"retry: %d\n\n" % (_SHORTEST_RETRY_MS + randrange(spread))  # noqa: S311 -- no secret


def heartbeat(position: object) -> bytes:
    """Return a comment, and an event that scripts can see.

    The id of the event advances the position of a reader whose filter matches no changes. While
    `position` is None, the event has no id.
    """
    return b": alive\n" + message("alive", position)
