"""The audiences of the feed and of the operations pages: what a reader may see."""

from collections.abc import Callable
from enum import Enum
from typing import Any


class Audience(Enum):
    """The groups of readers. A reader's group determines what the reader may see."""

    OPERATORS = "operators"
    """Everything, including who made a change."""
    OVERSEERS = "overseers"
    """Everything except personal fields, who made a change, and strings that may quote people."""

    @property
    def sees_people(self) -> bool:
        """Whether the audience may see personal fields and the author of a change.

        Such an audience may also see strings that might quote people: an error may quote a value,
        and a malformed message may contain anything.
        """
        return self is Audience.OPERATORS

    def text(self, text: str) -> str:
        """Return `text`, which might quote people, or a fixed sentence that hides it."""
        return text if self.sees_people else HIDDEN


HIDDEN = "Shown only to operators, because it may contain personal data."

AudienceOf = Callable[[Any], Audience | None]
"""Maps a user to an audience; None means no access."""


def no_access(_: object) -> Audience | None:
    """Deny access to every user; the default `audience_of` of the views and admin pages."""
    return None
