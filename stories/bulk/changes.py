"""Changes or deletes stories: up to 1,000 within the request, more in a job."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from cdc.models import Job
from cdc.operations import JobContext, JobKind, ensure_job
from stories.models import Rejection, Status, Story
from users.models import User

MOST_AT_ONCE = 1_000
"""The maximum number of stories that one request changes or deletes."""
_CHUNK = 500
"""The number of stories that one transaction of the job writes."""
_NAME = "edit_stories"


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkChange:
    """What to do with each of many stories."""

    word: str
    """What is done, for messages, such as `approved`."""
    user: str
    """The key of the user who requested the change, for the admin's log."""
    values: dict[str, Any] | None
    """The new values by field; None if the stories are deleted."""
    reason: str = ""
    """The reason for a rejection."""

    def sentence(self, count: int) -> str:
        """Return what was done, for a message."""
        return f"{count} {'story was' if count == 1 else 'stories were'} {self.word}."

    def write(self, stories: QuerySet[Story]) -> int:
        """Write the stories, the reason and the admin's log; return the number of stories.

        All of it is one transaction. The stories are locked first, so that the log and the reasons
        are about the stories that are written. Stories that already have the new values and the
        reason are left out.
        """
        with transaction.atomic():
            return self._write(self._unwritten(_locked(stories)))

    def _unwritten(self, stories: Sequence[Story]) -> list[Story]:
        reasons = _reasons(stories) if self.reason else {}
        return [
            story
            for story in stories
            if self._changes(story) or reasons.get(story.pk, "") != self.reason
        ]

    def _changes(self, story: Story) -> bool:
        """Return whether the story itself is deleted or gets other values."""
        values = self.values
        return values is None or any(getattr(story, name) != values[name] for name in values)

    def _write(self, stories: Sequence[Story]) -> int:
        actor = self._log(stories) if stories else None
        # A story of which only the reason changes has no event.
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


def queue(stories: QuerySet[Story], change: BulkChange) -> Job:
    """Let a job write these stories; stories that are submitted later are not included."""
    keys = sorted(stories.order_by().values_list("pk", flat=True))
    arguments = {
        "ranges": list(_ranges(keys)),
        "word": change.word,
        "user": change.user,
        "values": change.values,
        "reason": change.reason,
    }
    return ensure_job(_NAME, arguments, f"{len(keys)} stories {change.word}", "")


def _run(context: JobContext) -> list[str] | None:
    """Write the stories of a job in chunks. A resumed job skips the stories already written."""
    asked = context.arguments
    change = BulkChange(
        word=asked["word"],
        user=asked["user"],
        values=asked["values"],
        # A job that an earlier release queued has no reason.
        reason=asked.get("reason", ""),
    )
    keys = [key for first, last in asked["ranges"] for key in range(first, last + 1)]
    count = 0
    with context.bar("Stories", len(keys), context.say) as (_, advance):
        for start in range(0, len(keys), _CHUNK):
            if context.stopped():
                return None
            chunk = keys[start : start + _CHUNK]
            with transaction.atomic():
                count += change.write(with_keys(chunk))
            advance(len(chunk))
    return [change.sentence(count)]


def _ranges(keys: Iterable[int]) -> Iterator[list[int]]:
    """Yield the first and the last key of each gapless range of sorted keys."""
    found: list[int] = []
    for key in keys:
        if found and key == found[1] + 1:
            found[1] = key
            continue
        if found:
            yield found
        found = [key, key]
    if found:
        yield found


def with_keys(keys: Sequence[int]) -> QuerySet[Story]:
    """Return the stories with these keys, of which there is at least one."""
    # The range of keys makes MySQL use the primary key and no other index.
    return Story.objects.filter(pk__in=keys, pk__gte=min(keys), pk__lte=max(keys))


def _locked(stories: QuerySet[Story]) -> list[Story]:
    """Lock stories, in the order of captured writes; return those that still match."""
    keys = sorted(set(stories.order_by().values_list("pk", flat=True)))
    if not keys:
        return []
    locked = with_keys(keys).select_for_update().order_by("pk")
    return list(stories.filter(pk__in=list(locked.values_list("pk", flat=True))))


def _reasons(stories: Sequence[Story]) -> dict[int, str]:
    rejections = Rejection.objects.filter(story_id__in=[story.pk for story in stories])
    return dict(rejections.values_list("story_id", "reason"))


def _update(stories: QuerySet[Story], values: dict[str, Any]) -> None:
    """Update stories. A story that becomes popular gets the current time as promotion date."""
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


BULK_JOB = JobKind(
    name=_NAME,
    label="Change of many stories",
    run=_run,
    on_cancel="The job stops after the current chunk of rows. The stories that it has already "
    "written keep their new state.",
)
