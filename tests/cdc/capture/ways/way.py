"""What a way of writing is, and the list of all."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.cdc.capture.events import Event
from tests.cdc.capture.world import World

Write = Callable[[World], list[Event]]


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    write: Write
    """Writes, and returns the events that must be there."""


WAYS: list[Way] = []


def way(write: Write) -> Write:
    WAYS.append(Way(write.__name__, write))
    return write
