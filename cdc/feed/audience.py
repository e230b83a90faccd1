"""The audiences of the feed, which determine what a reader may see."""

from collections.abc import Callable
from enum import Enum
from typing import Any


class Audience(Enum):
    """The groups of readers. The group of a reader determines what the reader may see."""

    OPERATORS = "operators"
    """Everything, including who made a change."""
    OVERSEERS = "overseers"
    """Everything except personal fields and who made a change."""

    @property
    def sees_people(self) -> bool:
        """Whether the audience may see personal fields and the author of a change."""
        return self is Audience.OPERATORS


AudienceOf = Callable[[Any], Audience | None]
"""Maps a user to an audience; None means no access."""


def no_access(_: object) -> Audience | None:
    """Deny access to every user; the default `audience_of` of the feed's views."""
    return None
