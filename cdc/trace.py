"""The W3C trace context that a change is part of, carried as the header `traceparent`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# https://www.w3.org/TR/trace-context/#traceparent-header-field-values, version 00
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")

_traceparent: ContextVar[str] = ContextVar("cdc_traceparent", default="")


def current_traceparent() -> str:
    """Return the trace context of what runs now; empty when there is none."""
    return _traceparent.get()


@contextmanager
def traced(traceparent: str) -> Iterator[None]:
    """Carry `traceparent` with the changes made inside the block; a malformed one is dropped."""
    token = _traceparent.set(traceparent if _TRACEPARENT.match(traceparent) else "")
    try:
        yield
    finally:
        _traceparent.reset(token)
