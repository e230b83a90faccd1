"""The stories that a user may read, search, edit and trace (docs/decisions/0007)."""

from typing import Any

from django.db.models import Q, QuerySet

from stories.models import Status, Story
from users.models import UserType
from users.roles import may_open

_LONGEST_SEARCH = 100


def readable_by(user: Any) -> QuerySet[Story]:
    """Return the stories that a user may read, newest first.

    Only staff with the permission `view_story` may read rejected stories.
    """
    stories = Story.objects.all()
    if user.is_staff and user.has_perm("stories.view_story"):
        return stories
    return stories.exclude(status=Status.REJECTED)


def search(stories: QuerySet[Story], words: str) -> QuerySet[Story]:
    """Return the stories that contain each of the `words` in the title or description."""
    for word in words.split():
        stories = stories.filter(Q(title__icontains=word) | Q(description__icontains=word))
    return stories


def search_words(text: str) -> str:
    """Return `text` without NUL characters, which databases refuse, cut to 100 characters."""
    return text.replace("\0", "").strip()[:_LONGEST_SEARCH]


def may_change(user: Any, story: Story) -> bool:
    """Return whether a user may edit a story.

    Technical Workers may edit every story. Users may edit their own story until it is reviewed.
    """
    own = story.submitted_by_id == user.pk and story.status == Status.SUBMITTED
    return own or may_open(user, UserType.TECHNICAL_WORKER)


def may_trace(user: Any) -> bool:
    """Return whether a user has one of the roles that may see replication traces."""
    readers = (UserType.TECHNICAL_WORKER, UserType.SENIOR_MANAGEMENT)
    return any(may_open(user, role) for role in readers)
