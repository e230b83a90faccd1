"""The order in which systems take turns."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def rotated(items: Sequence[Item], number: int) -> list[Item]:
    """Return the order of the items in round `number` (from 0). Each item is first in turn."""
    turn = number % len(items) if items else 0
    return [*items[turn:], *items[:turn]]
