"""Captures stories."""

from cdc.feed.shown import Shown
from cdc.registry import Capture, register
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
