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

    def write(self, stories: QuerySet[Story]) -> int:
        """Write the stories, the reason and the admin's log; return the number of stories.

        All of it is one transaction. The stories are locked first, so that the log and the reasons
        are about the stories that are written.
        """
        with transaction.atomic():
            return self._write(_locked(stories))

    def _write(self, stories: Sequence[Story]) -> int:
        if not stories:
            return 0
        actor = self._log(stories)
        keys = [story.pk for story in stories]
        if self.values is None:
            return _delete(_with_keys(keys))
        if "status" in self.values:
            replace_reason(keys, self.reason, actor)
        return _update(_with_keys(keys), self.values)

    def _log(self, stories: Sequence[Story]) -> User | None:
        """Write the admin's log. Return the user, or None if the account was deleted."""
        actor = User.objects.filter(pk=self.user).first()
        if actor:
            flag = DELETION if self.values is None else CHANGE
            text = "" if self.values is None else f"{self.word.capitalize()}. {self.reason}".strip()
            LogEntry.objects.log_actions(self.user, stories, flag, text)
        return actor

    def pending(self, keys: Sequence[int]) -> QuerySet[Story]:
        """Return the stories with these keys that do not have the new values yet."""
        stories = _with_keys(keys)
        return stories.exclude(**self.values) if self.values else stories


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
                count += change.write(change.pending(chunk))
            advance(len(chunk))
    return [f"{count} stories were {change.word}."]


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


def _with_keys(keys: Sequence[int]) -> QuerySet[Story]:
    # The range of keys makes MySQL use the primary key and no other index.
    return Story.objects.filter(pk__in=keys, pk__gte=min(keys), pk__lte=max(keys))


def _locked(stories: QuerySet[Story]) -> list[Story]:
    """Lock stories, in the order of captured writes; return those that still match."""
    keys = sorted(set(stories.order_by().values_list("pk", flat=True)))
    if not keys:
        return []
    locked = _with_keys(keys).select_for_update().order_by("pk")
    return list(stories.filter(pk__in=list(locked.values_list("pk", flat=True))))


def _update(stories: QuerySet[Story], values: dict[str, Any]) -> int:
    """Update stories. A story that becomes popular gets the current time as promotion date."""
    if values.get("status") != Status.POPULAR:
        return stories.update(**values)
    kept = stories.filter(status=Status.POPULAR).update(**values)
    promoted = {**values, "promote_date": timezone.now()}
    return kept + stories.exclude(status=Status.POPULAR).update(**promoted)


def _delete(stories: QuerySet[Story]) -> int:
    # The total also counts rows that refer to the stories, such as votes.
    return stories.delete()[1].get(Story._meta.label, 0)


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
