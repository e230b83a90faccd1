"""A write with its expected events, and the list of all such cases."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.cdc.capture.events import Event
from tests.cdc.capture.world import World

Write = Callable[[World], list[Event]]


@dataclass(frozen=True, slots=True)
class WriteCase:
    name: str
    write: Write
    """Executes the write and returns the expected events."""


CASES: list[WriteCase] = []


def write_case(write: Write) -> Write:
    CASES.append(WriteCase(write.__name__, write))
    return write
