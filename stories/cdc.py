"""Registers stories for capture, and the job that changes many stories.

Stories use the topic and the collections of the settings. A second model must name its own `topic`
and `collections`; see `docs/capture.md`.
"""

from cdc.api import Capture, Presentation, register
from cdc.operations import register_job
from stories.bulk.job import BULK_JOB
from stories.models import Story

register(
    Capture(
        model=Story,
        indexes=("submit_date",),  # the dashboard queries by date range
        presentation=Presentation(
            title="title",
            topic_field="topic",
            page="story",
            trace="story_trace",
            personal=frozenset({"user", "submitted_by_id"}),
        ),
    )
)
register_job(BULK_JOB)
