"""The job that changes or deletes more stories than a request may."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from cdc.models import Job
from cdc.operations import JobContext, JobKind, ensure_job
from stories.bulk.changes import BulkChange, with_keys
from stories.models import Story

_CHUNK = 500
"""The number of stories that one transaction of the job writes."""
_NAME = "edit_stories"


def queue(stories: QuerySet[Story], change: BulkChange) -> Job:
    """Let a job write these stories; stories that are submitted later are not included.

    The job may begin much later. Therefore, it also gets the current values of the stories, and
    skips a story if another decision has changed its values since.
    """
    groups = list(_groups(stories, change.guards))
    arguments = {
        "groups": groups,
        "word": change.word,
        "user": change.user,
        "values": change.values,
        "reason": change.reason,
    }
    count = sum(map(_size, groups))
    return ensure_job(_NAME, arguments, f"{count} stories {change.word}", "")


def _groups(stories: QuerySet[Story], guards: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Group the stories by their values. Yield the values and the ranges of keys of each group."""
    keys = defaultdict(list)
    for key, *was in stories.order_by().values_list("pk", *guards):
        keys[tuple(was)].append(key)
    for values, found in keys.items():
        was = dict(zip(guards, values, strict=True))
        yield {"was": was, "ranges": list(_ranges(sorted(found)))}


def _run(context: JobContext) -> list[str] | None:
    """Write the stories of a job in chunks. A resumed job skips the stories already written."""
    asked = context.arguments
    change = BulkChange(
        word=asked["word"],
        user=asked["user"],
        values=asked["values"],
        # A job that an earlier release queued has no reason and no groups.
        reason=asked.get("reason", ""),
    )
    groups = asked.get("groups") or [{"was": {}, "ranges": asked["ranges"]}]
    count = left = 0
    with context.bar("Stories", sum(map(_size, groups)), context.say) as (_, advance):
        for keys, was in _chunks(groups):
            if context.stopped():
                return None
            written, changed = change.write_later(with_keys(keys), was)
            count, left = count + written, left + changed
            advance(len(keys))
    return [change.sentence(count), *_left_alone(left)]


def _left_alone(count: int) -> list[str]:
    if not count:
        return []
    if count == 1:
        return ["1 story was skipped, because it was changed after the request."]
    return [f"{count} stories were skipped, because they were changed after the request."]


def _chunks(groups: Iterable[Mapping[str, Any]]) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Yield keys, and the values that their stories had at the time of the request."""
    for group in groups:
        keys = [key for first, last in group["ranges"] for key in range(first, last + 1)]
        for start in range(0, len(keys), _CHUNK):
            yield keys[start : start + _CHUNK], group["was"]


def _size(group: Mapping[str, Any]) -> int:
    return sum(last - first + 1 for first, last in group["ranges"])


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


BULK_JOB = JobKind(
    name=_NAME,
    label="Change of many stories",
    run=_run,
    on_cancel="The job stops after the current chunk of rows. The stories that it has already "
    "written keep their new state.",
)
