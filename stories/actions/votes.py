"""Diggs: one vote for each user and story, counted in the column `diggs` of the story."""

from typing import Any

from django.db import transaction

from cdc.errors import Refused
from stories.models import Status, Story, Vote
from stories.permissions import StoryNotFound
from stories.validators import LARGEST_COUNT


def digg(user: Any, key: int) -> Story:
    """Count the vote of a user for a story once, and return the story.

    A second vote changes nothing. Raise StoryNotFound if the story does not exist. Raise Refused if
    the story is rejected, or if its number of diggs cannot be increased.
    """
    with transaction.atomic():
        story = _locked(key)
        if story.status == Status.REJECTED:
            raise Refused("You cannot dig a rejected story.")
        if story.diggs >= LARGEST_COUNT:
            raise Refused("This story has the largest number of diggs that can be stored.")
        _, is_new = Vote.objects.get_or_create(story=story, user=user)
        if is_new:
            _count(story, 1)
    return story


def undo(user: Any, key: int) -> Story:
    """Remove the vote of a user for a story, and return the story.

    Without a vote, nothing changes. Raise StoryNotFound if the story does not exist.
    """
    with transaction.atomic():
        story = _locked(key)
        deleted, _ = Vote.objects.filter(story=story, user=user).delete()
        # An editor may have set the number of diggs to 0 since the vote.
        if deleted and story.diggs:
            _count(story, -1)
    return story


def _locked(key: int) -> Story:
    # The story is locked before a vote is created. Otherwise, the vote's foreign key would take a
    # shared lock on the story, and two simultaneous votes would deadlock.
    story: Story | None = Story.objects.select_for_update().filter(pk=key).first()
    if story is None:
        raise StoryNotFound
    return story


def _count(story: Story, step: int) -> None:
    story.diggs += step
    story.save(update_fields=["diggs"])
