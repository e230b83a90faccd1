"""Decisions about a submission: the submitter withdraws it, or staff approve or reject it."""

from typing import Any

from django.db.models import QuerySet

from stories.bulk.changes import BulkChange
from stories.models import Status, Story


def own_stories(user: Any) -> QuerySet[Story]:
    """Return the submissions of a user, newest first, with the reasons for rejections."""
    return Story.objects.filter(submitted_by=user.pk).select_related("rejection")


def may_withdraw(user: Any, story: Story) -> bool:
    """Return whether a user may withdraw a story, which must be the user's own and unreviewed."""
    return story.submitted_by_id == user.pk and story.status == Status.SUBMITTED


def withdraw(user: Any, key: int) -> bool:
    """Delete the submission of a user. Return False if it was reviewed in the meantime."""
    own = Story.objects.filter(pk=key, submitted_by=user.pk, status=Status.SUBMITTED)
    # The captured delete locks the story, and checks the story's status again.
    return own.delete()[0] > 0


def may_review(user: Any) -> bool:
    """Return whether a user may approve and reject stories: staff who may change them."""
    return bool(user.is_staff and user.has_perm("stories.change_story"))


def approve(user: Any, key: int, code: str) -> bool:
    """Make a story popular. Return False if it is already popular or was deleted.

    Raise Refused if the story has changed since the page with this `code` was shown.
    """
    change = BulkChange(
        word="approved",
        user=str(user.pk),
        values={"status": Status.POPULAR},
        shown={key: code},
    )
    return change.write(Story.objects.filter(pk=key).exclude(status=Status.POPULAR)) > 0


def reject(user: Any, key: int, reason: str, code: str) -> bool:
    """Reject a story, or change the reason for its rejection. Return False if it was deleted.

    Raise Refused if the story has changed since the page with this `code` was shown.
    """
    change = BulkChange(
        word="rejected",
        user=str(user.pk),
        values={"status": Status.REJECTED},
        reason=reason,
        shown={key: code},
    )
    stories = Story.objects.filter(pk=key)
    change.write(stories)
    return stories.exists()
