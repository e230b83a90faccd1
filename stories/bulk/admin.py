"""The admin's bulk actions on stories; an action on more than 1,000 stories is left to a job."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest

from cdc.pages import JobMessages
from stories.bulk.changes import BulkChange
from stories.bulk.job import queue
from stories.models import Story

MOST_AT_ONCE = 1_000
"""The maximum number of stories that one request changes or deletes."""
_LISTED = 20


class BulkChanges(JobMessages):
    """A `ModelAdmin` that writes up to 1,000 stories within the request, and more in a job."""

    def apply(
        self,
        request: HttpRequest,
        stories: QuerySet[Story],
        word: str,
        values: dict[str, Any],
        reason: str = "",
    ) -> None:
        """Set these values on the stories, and show a message."""
        change = BulkChange(word=word, user=str(request.user.pk), values=values, reason=reason)
        sentence = ""
        if _are_many(stories):
            self._queue(request, stories, change)
        else:
            sentence = change.sentence(change.write(stories))
        self.message_user(request, sentence, messages.SUCCESS)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Story]) -> None:
        change = BulkChange(word="deleted", user=str(request.user.pk), values=None)
        if _are_many(queryset):
            self._queue(request, queryset, change)
        else:
            super().delete_queryset(request, queryset)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Write the log, unless the job writes it."""
        return None if _are_many(queryset) else super().log_deletions(request, queryset)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what the confirmation page lists; for a job, only some of the stories."""
        if not _are_many(objs):
            return super().get_deleted_objects(objs, request)
        count = objs.count()
        listed = [str(story) for story in objs[:_LISTED]]
        return [*listed, f"and {count - len(listed)} more"], {"stories": count}, set(), []

    def _queue(self, request: HttpRequest, stories: QuerySet[Story], change: BulkChange) -> None:
        job = queue(stories, change)
        text = f"The stories will be {change.word} by job {job.pk}."
        self.announce_job(request, f"{text} The Jobs page shows the job's progress.")


def _are_many(stories: Any) -> bool:
    # `all()`, because a slice of a queryset that was already read is a list.
    return isinstance(stories, QuerySet) and stories.all()[MOST_AT_ONCE:].exists()
