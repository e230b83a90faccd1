"""Captures stories."""

from cdc.api import Capture, Shown, register
from stories.models import Story

register(
    Capture(
        model=Story,
        shown=Shown(
            title="title",
            theme="topic",
            page="story",
            personal=frozenset({"user", "submitted_by_id"}),
        ),
    )
)
