"""Which stories somebody may read, correct and follow (docs/decisions/0007)."""

from typing import Any

from django.db.models import Q, QuerySet

from stories.models import Status, Story
from users.models import UserType
from users.roles import may_open

_LONGEST_SEARCH = 100


def readable_by(user: Any) -> QuerySet[Story]:
    """Return the newest stories first; rejected ones are for staff who may see stories."""
    stories = Story.objects.all()
    if user.is_staff and user.has_perm("stories.view_story"):
        return stories
    return stories.exclude(status=Status.REJECTED)


def matching(stories: QuerySet[Story], words: str) -> QuerySet[Story]:
    """Return the stories that have every one of `words` in title or description."""
    for word in words.split():
        stories = stories.filter(Q(title__icontains=word) | Q(description__icontains=word))
    return stories


def search_words(text: str) -> str:
    """Return what was asked for, short and without what databases refuse."""
    return text.replace("\0", "").strip()[:_LONGEST_SEARCH]


def may_change(user: Any, story: Story) -> bool:
    """Whether somebody may correct a story: its submitter until it is taken, Technical Workers."""
    own = story.submitted_by_id == user.pk and story.status == Status.SUBMITTED
    return own or may_open(user, UserType.TECHNICAL_WORKER)


def may_follow(user: Any) -> bool:
    """Whether somebody may see a story's way through the feed: who reads the feed's pages."""
    readers = (UserType.TECHNICAL_WORKER, UserType.SENIOR_MANAGEMENT)
    return any(may_open(user, role) for role in readers)
