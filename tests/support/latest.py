"""`Latest` with a long timeout, for busy machines."""

from collections.abc import Callable
from typing import TypeVar

from project.pages.latest import Latest

T = TypeVar("T")
_PATIENCE_SECONDS = 60.0


def patient(read: Callable[[], T], *, fresh: float = 1.0) -> Latest[T]:
    """Return a `Latest` that waits long enough for its thread on a busy machine."""
    return Latest(read, fresh=fresh, patience=_PATIENCE_SECONDS)
