"""A story, in the columns of the Digg data set."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from cdc.captured import CapturedModel
from cdc.fields import MillisecondDateTimeField


class Status(models.TextChoices):
    """Where a story stands."""

    SUBMITTED = "submitted", "Submitted"
    UPCOMING = "upcoming", "Upcoming"
    POPULAR = "popular", "Popular"
    REJECTED = "rejected", "Rejected"


class Story(CapturedModel):
    """A submitted link with its counters; every committed change of it is carried to MongoDB."""

    href = models.URLField("discussion address", max_length=500)
    title = models.CharField(max_length=255)
    comments = models.PositiveIntegerField(default=0)
    diggs = models.PositiveIntegerField(default=0)
    container = models.JSONField(default=dict, blank=True, help_text="The section: name, short_name.")
    submit_date = MillisecondDateTimeField(default=timezone.now, db_index=True)
    promote_date = MillisecondDateTimeField(null=True, blank=True)
    topic = models.JSONField(default=dict, blank=True, help_text="The topic: name, short_name.")
    source_id = models.CharField(
        "source id",
        db_column="idJSON",
        max_length=32,
        unique=True,
        null=True,
        blank=True,
        default=None,
        help_text="The source's id as text; empty for stories submitted here.",
    )
    media = models.CharField(max_length=20, default="news")
    description = models.TextField(blank=True, default="")
    link = models.URLField("story address", max_length=500)
    user = models.JSONField("submitter", default=dict, blank=True)
    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.SUBMITTED, db_index=True
    )
    shorturl = models.JSONField("short addresses", default=list, blank=True)
    thumbnail = models.JSONField(null=True, blank=True, default=None)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="stories",
    )

    class Meta(CapturedModel.Meta):
        verbose_name_plural = "stories"
        ordering = ["-submit_date", "-id"]

    def __str__(self) -> str:
        return self.title
