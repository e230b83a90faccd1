"""Frames of a stream of server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html: a line break ends a field. The
data are JSON without line breaks.
"""

from typing import Any

import orjson

RETRY_MS = 1_000
"""How long a browser waits before it reconnects."""


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


def opening() -> bytes:
    """Return the first frame of a stream."""
    return b"retry: %d\n\n" % RETRY_MS


def heartbeat(position: object) -> bytes:
    """Return a comment, and an event that scripts can see.

    Its id moves on a reader whose filter matches nothing.
    """
    return b": alive\n" + message("alive", position)
