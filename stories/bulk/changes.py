"""Changes or deletes many stories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from stories.bulk.shown import refuse_unseen
from stories.models import Rejection, Status, Story
from users.models import User

_DECIDED = ("status", "media")
"""The columns that only editors change. The counters are also changed by votes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkChange:
    """What to do with each of many stories."""

    word: str
    """A past participle for messages, such as `approved`."""
    user: str
    """The key of the user who requested the change, for the admin's log."""
    values: dict[str, Any] | None
    """The new values by field; None if the stories are deleted."""
    reason: str = ""
    """The reason for a rejection."""
    shown: Mapping[int, str] = field(default_factory=dict)
    """The codes of the stories as the user saw them (`stories.bulk.shown`), by key."""

    def sentence(self, count: int) -> str:
        """Return what was done, for a message."""
        return f"{count} {'story was' if count == 1 else 'stories were'} {self.word}."

    def write(self, stories: QuerySet[Story]) -> int:
        """Write the stories, the reason and the admin's log; return the number of stories.

        Everything is written in one transaction. The stories are locked first, so that the log and
        the reasons match the stories that are written. Stories that already have the new values and
        the reason are skipped. Raise Refused if a story has changed since the user saw it.
        """
        with transaction.atomic():
            locked = _locked(stories)
            refuse_unseen(locked, self.shown)
            return self._write(self._unwritten(locked))

    @property
    def guards(self) -> tuple[str, ...]:
        """The columns that must not have changed since a user requested the change."""
        if self.values is None:
            return ("status",)
        return tuple(name for name in _DECIDED if name in self.values)

    def write_later(self, stories: QuerySet[Story], was: Mapping[str, Any]) -> tuple[int, int]:
        """Write the stories of an earlier request that still have the values in `was`.

        Return the number of stories that were written, and the number of stories that were skipped
        because they have changed since the request.
        """
        with transaction.atomic():
            unwritten = self._unwritten(_locked(stories))
            same = [story for story in unwritten if not _differs(story, was)]
            return self._write(same), len(unwritten) - len(same)

    def _unwritten(self, stories: Sequence[Story]) -> list[Story]:
        reasons = _reasons(stories) if self.reason else {}
        return [
            story
            for story in stories
            if self._changes(story) or reasons.get(story.pk, "") != self.reason
        ]

    def _changes(self, story: Story) -> bool:
        """Return whether the story itself is deleted or gets other values."""
        return self.values is None or _differs(story, self.values)

    def _write(self, stories: Sequence[Story]) -> int:
        actor = self._log(stories) if stories else None
        # If only the reason of a story changes, there is no event.
        if changed := [story.pk for story in stories if self._changes(story)]:
            self._write_rows(with_keys(changed))
        if self.values and "status" in self.values:
            replace_reason([story.pk for story in stories], self.reason, actor)
        return len(stories)

    def _write_rows(self, stories: QuerySet[Story]) -> None:
        if self.values is None:
            stories.delete()
        else:
            _update(stories, self.values)

    def _log(self, stories: Sequence[Story]) -> User | None:
        """Write the admin's log. Return the user, or None if the account was deleted."""
        actor = User.objects.filter(pk=self.user).first()
        if actor:
            flag = DELETION if self.values is None else CHANGE
            text = "" if self.values is None else f"{self.word.capitalize()}. {self.reason}".strip()
            LogEntry.objects.log_actions(self.user, stories, flag, text)
        return actor


def with_keys(keys: Sequence[int]) -> QuerySet[Story]:
    """Return the stories with these keys; `keys` must not be empty."""
    # The range of keys makes MySQL use the primary key and no other index.
    return Story.objects.filter(pk__in=keys, pk__gte=min(keys), pk__lte=max(keys))


def _locked(stories: QuerySet[Story]) -> list[Story]:
    """Lock stories, in the order of captured writes; return those that still match."""
    keys = sorted(set(stories.order_by().values_list("pk", flat=True)))
    if not keys:
        return []
    locked = with_keys(keys).select_for_update().order_by("pk")
    return list(stories.filter(pk__in=list(locked.values_list("pk", flat=True))))


def _differs(story: Story, values: Mapping[str, Any]) -> bool:
    return any(getattr(story, name) != value for name, value in values.items())


def _reasons(stories: Sequence[Story]) -> dict[int, str]:
    rejections = Rejection.objects.filter(story_id__in=[story.pk for story in stories])
    return dict(rejections.values_list("story_id", "reason"))


def _update(stories: QuerySet[Story], values: dict[str, Any]) -> None:
    """Update stories. A story that becomes popular gets the current time as its promotion date."""
    if values.get("status") != Status.POPULAR:
        stories.update(**values)
        return
    stories.filter(status=Status.POPULAR).update(**values)
    promoted = {**values, "promote_date": timezone.now()}
    stories.exclude(status=Status.POPULAR).update(**promoted)


def replace_reason(keys: Sequence[int], reason: str, actor: Any) -> None:
    """Replace the reasons for rejecting these stories; an empty reason removes them."""
    Rejection.objects.filter(story_id__in=keys).delete()
    if reason:
        Rejection.objects.bulk_create(
            Rejection(story_id=key, reason=reason, by=actor) for key in keys
        )
