"""The context of a change: the actor who makes it, and the W3C trace to which it belongs."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

Actor = str | Callable[[], str]
"""The name of an actor, or a function that returns the name when a change is captured."""

_LONGEST = 255
_LAUNCHERS = frozenset({"manage.py", "django-admin", "__main__.py"})


def _program() -> str:
    """Return the name of the running command, such as `loaddata` for `manage.py loaddata`."""
    program = Path(sys.argv[0]).name
    if program in _LAUNCHERS and len(sys.argv) > 1:
        return sys.argv[1]
    return program


_actor: ContextVar[Actor] = ContextVar("cdc_actor", default=_program)


def current_actor() -> str:
    """Return the name of the current actor, as valid Unicode text of at most 255 characters."""
    actor = _actor.get()
    name = actor if isinstance(actor, str) else actor()
    # A command line may contain bytes that are not valid text, which JSON cannot represent.
    return name.encode(errors="replace").decode()[:_LONGEST]


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Attribute the changes made inside the block to `actor`; blocks may be nested."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


# https://www.w3.org/TR/trace-context/#traceparent-header-field-values, version 00
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})\Z")
"""Matches a valid `traceparent`; the groups are the trace, the span and the flags."""

_traceparent: ContextVar[str] = ContextVar("cdc_traceparent", default="")


def current_traceparent() -> str:
    """Return the current `traceparent`, or an empty string if there is no trace."""
    return _traceparent.get()


@contextmanager
def traced(traceparent: str) -> Iterator[None]:
    """Add `traceparent` to the changes made inside the block; a malformed value counts as empty.

    While a span of OpenTelemetry is active, the changes get the context of this span instead.
    """
    token = _traceparent.set(traceparent if TRACEPARENT.match(traceparent) else "")
    try:
        yield
    finally:
        _traceparent.reset(token)
