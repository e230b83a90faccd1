"""Register stories for capture."""

from cdc.api import Capture, Presentation, register
from stories.models import Story

register(
    Capture(
        model=Story,
        presentation=Presentation(
            title="title",
            topic_field="topic",
            page="story",
            personal=frozenset({"user", "submitted_by_id"}),
        ),
    )
)
