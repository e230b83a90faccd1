"""`Latest` with the patience of a busy machine."""

from collections.abc import Callable
from typing import TypeVar

from project.pages.latest import Latest

T = TypeVar("T")
_PATIENCE_SECONDS = 60.0


def patient(read: Callable[[], T], *, fresh: float = 1.0) -> Latest[T]:
    """Return a `Latest` that waits for a value even if its thread runs late."""
    return Latest(read, fresh=fresh, patience=_PATIENCE_SECONDS)
