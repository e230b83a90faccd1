"""The story model, with the columns of the Digg data set."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone

from cdc.api import CapturedModel
from cdc.fields import MillisecondDateTimeField
from stories.listing.expressions import JSONName
from stories.validators import (
    LARGEST_COUNT,
    validate_list,
    validate_object,
    validate_optional_object,
    validate_text,
    validate_web_address,
)

LONGEST_REASON = 500
_SHAPES: dict[str, Callable[[Any], None]] = {
    "container": validate_object,
    "topic": validate_object,
    "user": validate_object,
    "thumbnail": validate_optional_object,
    "shorturl": validate_list,
}


class Status(models.TextChoices):
    SUBMITTED = "submitted", "Submitted"
    UPCOMING = "upcoming", "Upcoming"
    POPULAR = "popular", "Popular"
    REJECTED = "rejected", "Rejected"


class Story(CapturedModel):
    """A submitted link with its counters; every committed change is replicated to MongoDB."""

    href = models.URLField("discussion address", max_length=500, validators=[validate_web_address])
    title = models.CharField(max_length=255, validators=[validate_text])
    comments = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(LARGEST_COUNT)])
    diggs = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(LARGEST_COUNT)])
    container = models.JSONField(
        default=dict, blank=True, help_text="The section: name, short_name."
    )
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
        validators=[validate_text],
        help_text="The source's id as text; empty for stories submitted here.",
    )
    media = models.CharField(max_length=20, default="news", validators=[validate_text])
    description = models.TextField(blank=True, default="", validators=[validate_text])
    link = models.URLField("story address", max_length=500, validators=[validate_web_address])
    user = models.JSONField("submitter", default=dict, blank=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.SUBMITTED)
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
        # The list has three orders, each for all stories, for one status and for one topic.
        indexes = [
            models.Index(fields=["link"], name="story_link"),
            models.Index(fields=["diggs"], name="story_diggs"),
            models.Index(fields=["comments"], name="story_comments"),
            models.Index(fields=["status", "submit_date"], name="story_status_date"),
            models.Index(fields=["status", "diggs"], name="story_status_diggs"),
            models.Index(fields=["status", "comments"], name="story_status_comments"),
            # MariaDB has no indexes on expressions, so Django leaves these out there.
            models.Index(JSONName("topic"), "submit_date", name="story_topic_date"),
            models.Index(JSONName("topic"), "diggs", name="story_topic_diggs"),
            models.Index(JSONName("topic"), "comments", name="story_topic_comments"),
        ]

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        """Raise ValidationError if a JSON column has the wrong type, for example a list."""
        # These are not field validators, because Django does not run field validators for empty
        # values, such as [] in place of {}.
        for name, validate in _SHAPES.items():
            try:
                validate(getattr(self, name))
            except ValidationError as error:
                raise ValidationError({name: error}) from None


class Vote(models.Model):
    """The digg of one user for one story. The table is not captured.

    If the account is deleted, its votes are deleted, but they stay counted in `Story.diggs`.
    """

    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="votes")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="votes"
    )
    at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["story", "user"], name="one_vote_a_user")]

    def __str__(self) -> str:
        return f"user {self.user_id} digs story {self.story_id}"


class AddressLock(models.Model):
    """A lock for the addresses whose hash begins with `key`; see `stories/addresses.py`."""

    key = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.key


class Rejection(models.Model):
    """Why a story was rejected. The reason counts only while the story's status is `rejected`.

    The table is not captured. A story that was rejected without a reason has no row.
    """

    story = models.OneToOneField(Story, on_delete=models.CASCADE, related_name="rejection")
    reason = models.CharField(max_length=LONGEST_REASON, validators=[validate_text])
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="rejections"
    )
    at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.reason


def reason_of(story: Story) -> str:
    """Return why a story is rejected; an empty string if it is not rejected or has no reason."""
    if story.status != Status.REJECTED:
        return ""
    rejection: Rejection | None = getattr(story, "rejection", None)
    return rejection.reason if rejection else ""
