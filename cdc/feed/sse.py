"""One frame of a stream of server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html: a line break ends a field, so data
are JSON, which has none.
"""

from typing import Any

import orjson

RETRY_MS = 1_000
"""How long a browser waits before it connects again."""


def frame(event: str, data: bytes, position: object = None) -> bytes:
    """Return one event; `position` becomes the id that a browser asks to go on from."""
    head = b"" if position is None else b"id: %b\n" % str(position).encode()
    return b"%bevent: %b\ndata: %b\n\n" % (head, event.encode(), data)


def change_head(position: object) -> bytes:
    """Return what stands before the data of a change."""
    return b"id: %b\nevent: change\ndata: " % str(position).encode()


def message(event: str, position: object = None, /, **fields: Any) -> bytes:
    """Return one event with these fields."""
    return frame(event, orjson.dumps(fields), position)


def opening() -> bytes:
    """Return what a stream begins with."""
    return b"retry: %d\n\n" % RETRY_MS


def heartbeat(position: object) -> bytes:
    """Return what shows that a stream is alive: a comment, and an event that scripts hear.

    Its id tells a reader whose filter lets nothing pass how far they have come.
    """
    return b": alive\n" + message("alive", position)
