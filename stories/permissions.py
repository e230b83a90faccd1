"""The stories that a user may read, search, edit and trace (docs/decisions/0007)."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404

from stories.models import Status, Story
from users.models import UserType
from users.roles import feed_audience, may_open

_SEE_ALL = ("stories.view_story", "stories.change_story")


class StoryNotFound(Http404):
    """A story does not exist, or the user may not know about it. Both have the same page."""


def readable_by(user: Any) -> QuerySet[Story]:
    """Return the stories that a user may read, newest first.

    Rejected stories may be read by their submitters, by users who see them in the live feed, and by
    staff who may view or change stories in the admin.
    """
    if reads_all(user):
        return Story.objects.all()
    return Story.objects.filter(~Q(status=Status.REJECTED) | Q(submitted_by=user.pk))


def reads_all(user: Any) -> bool:
    """Return whether a user may also read the rejected stories of other users."""
    return bool(feed_audience(user)) or (user.is_staff and any(map(user.has_perm, _SEE_ALL)))


def one_of(stories: QuerySet[Story], key: int) -> Story:
    """Return the story with this key. Raise StoryNotFound if it is not one of these stories."""
    story = stories.filter(pk=key).first()
    if story is None:
        raise StoryNotFound
    return story


def may_change(user: Any, story: Story) -> bool:
    """Return whether a user may edit a story.

    Technical Workers and superusers may edit every story. Other users may edit their own story
    until it is reviewed.
    """
    own = story.submitted_by_id == user.pk and story.status == Status.SUBMITTED
    return own or may_open(user, UserType.TECHNICAL_WORKER)


def may_trace(user: Any) -> bool:
    """Return whether a user has one of the roles that may see replication traces."""
    readers = (UserType.TECHNICAL_WORKER, UserType.SENIOR_MANAGEMENT)
    return any(may_open(user, role) for role in readers)
