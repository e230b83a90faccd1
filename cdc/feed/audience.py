"""Who reads the feed, as far as it matters for what they are shown."""

from collections.abc import Callable
from enum import Enum
from typing import Any


class Audience(Enum):
    """What a reader has need of."""

    OPERATORS = "operators"
    """Everything, and who changed it."""
    OVERSEERS = "overseers"
    """Everything but personal fields and who changed it."""

    @property
    def sees_people(self) -> bool:
        """Whether personal fields are shown."""
        return self is Audience.OPERATORS


AudienceOf = Callable[[Any], Audience | None]
"""Says what a user may see; None: nothing at all."""


def nobody(_: object) -> Audience | None:
    """Return that nobody may read: what a view does that was not told who may."""
    return None
