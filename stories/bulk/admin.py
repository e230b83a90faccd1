"""The admin's bulk actions on stories; a job performs actions on more than 1,000 stories."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cdc.pages import JobMessages
from stories.bulk.changes import BulkChange
from stories.bulk.job import queue
from stories.bulk.shown import SHOWN, code_of, read_codes, refuse_unseen
from stories.models import Story

MOST_AT_ONCE = 1_000
"""The maximum number of stories that one request changes or deletes."""
_LISTED = 20


class BulkChanges(JobMessages):
    """A `ModelAdmin` that writes up to 1,000 stories in the request, and more in a job."""

    def apply(
        self,
        request: HttpRequest,
        stories: QuerySet[Story],
        word: str,
        values: dict[str, Any],
        reason: str = "",
    ) -> None:
        """Set these values on the stories, and show a message."""
        change = BulkChange(
            word=word,
            user=str(request.user.pk),
            values=values,
            reason=reason,
            shown=read_codes(request.POST.getlist(SHOWN)) if "status" in values else {},
        )
        sentence = ""
        if _are_many(stories):
            refuse_unseen(stories.filter(pk__in=list(change.shown)), change.shown)
            self._queue(request, stories, change)
        else:
            sentence = change.sentence(change.write(stories))
        self.message_user(request, sentence, messages.SUCCESS)

    def action_checkbox(self, obj: Story) -> SafeString:
        """Return the checkbox of a story, with a code of its content (`stories.bulk.shown`)."""
        code = f"{obj.pk}:{code_of(obj)}"
        hidden = format_html('<input type="hidden" name="{}" value="{}">', SHOWN, code)
        return format_html("{}{}", super().action_checkbox(obj), hidden)

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
