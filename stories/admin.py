"""Stories in the admin: find them by date and status, correct them, approve or reject them."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import dateformat, timezone

from cdc.errors import Refused
from cdc.operations import trace_row
from stories.forms import (
    BulkEditForm,
    IndentedEncoder,
    JSONColumnField,
    NamedSplitDateTime,
    StoryForm,
)
from stories.models import Status, Story

_NAMED = 20
"""Stories that the page of a bulk edit names; it counts the others."""
_MOST_FIELDS = 500
"""Fields of it: Django takes a thousand."""


@admin.register(Story)
class StoryAdmin(admin.ModelAdmin[Story]):
    """Every write goes through captured saves and updates, so each has its event."""

    form = StoryForm
    list_display = (
        "title",
        "status",
        "diggs",
        "comments",
        "submitted_at",
        "promoted_at",
        "submitted_by",
    )
    list_filter = ("status", "media", "submit_date", "promote_date")
    list_select_related = ("submitted_by",)
    list_per_page = 50
    search_fields = ("title", "description", "=source_id", "link")
    date_hierarchy = "submit_date"
    ordering = ("-submit_date", "-id")
    # Not autocomplete: the box that it draws has no name for those who cannot see it.
    raw_id_fields = ("submitted_by",)
    actions = ("approve", "reject", "edit")
    save_on_top = True
    fieldsets = (
        (None, {"fields": ("title", "description", "link", "href", "media")}),
        ("Standing", {"fields": ("status", "submit_date", "promote_date", "diggs", "comments")}),
        ("Origin", {"fields": ("submitted_by", "source_id", "user")}),
        ("Placement", {"fields": ("container", "topic", "thumbnail", "shorturl")}),
    )
    formfield_overrides = {
        models.JSONField: {
            "form_class": JSONColumnField,
            "encoder": IndentedEncoder,
            "widget": forms.Textarea(attrs={"rows": 5, "cols": 60, "spellcheck": "false"}),
        },
        models.DateTimeField: {"widget": NamedSplitDateTime},
        models.URLField: {"assume_scheme": "https"},
    }

    def get_readonly_fields(
        self, request: HttpRequest, obj: Story | None = None
    ) -> tuple[str, ...]:
        """Keep the source id of an imported story: a later import finds it by that."""
        return ("source_id", "way") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Story | None = None) -> Any:
        """Show how far the last change of a story is."""
        fieldsets = super().get_fieldsets(request, obj)
        return (*fieldsets, ("Replication trace", {"fields": ("way",)})) if obj else fieldsets

    @admin.display(description="The last change")
    def way(self, story: Story) -> str:
        """Return one sentence."""
        return trace_row(story).sentence

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        """Show what the feed refuses as a message: nothing was saved."""
        try:
            return super().changeform_view(request, *args, **options)
        except Refused as error:
            self.message_user(request, f"Not saved. {error}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    @admin.display(description="Submitted", ordering="submit_date")
    def submitted_at(self, story: Story) -> str:
        """Return when a story was submitted, to the minute in UTC."""
        return _minute(story.submit_date)

    @admin.display(description="Promoted", ordering="promote_date", empty_value="-")
    def promoted_at(self, story: Story) -> str | None:
        """Return when a story became popular, to the minute in UTC."""
        return _minute(story.promote_date) if story.promote_date else None

    @admin.action(description="Approve selected stories", permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Story]) -> None:
        """Make stories popular from now on; popular ones keep their date."""
        waiting = queryset.exclude(status=Status.POPULAR)
        self._decide(request, waiting, "approved", {"status": Status.POPULAR})

    @admin.action(description="Reject selected stories", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Story]) -> None:
        """Take stories off the pages."""
        standing = queryset.exclude(status=Status.REJECTED)
        self._decide(request, standing, "rejected", {"status": Status.REJECTED})

    @admin.action(description="Edit selected stories…", permissions=["change"])
    def edit(self, request: HttpRequest, queryset: QuerySet[Story]) -> HttpResponse | None:
        """Ask what is to be the same in all of them, then write it, all or none."""
        form = BulkEditForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, form)
        self._decide(request, queryset, "edited", form.changes)
        return None

    def _ask(
        self, request: HttpRequest, stories: QuerySet[Story], form: BulkEditForm
    ) -> HttpResponse:
        count = stories.count()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Edit {count} {'story' if count == 1 else 'stories'}",
            "opts": self.opts,
            "form": form,
            "stories": stories[:_NAMED],
            "others": max(count - _NAMED, 0),
            "ids": stories.values_list("pk", flat=True)[:_MOST_FIELDS],
            "across": request.POST.get("select_across") == "1" or count > _MOST_FIELDS,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/stories/story/edit_many.html", context)

    def _decide(
        self, request: HttpRequest, stories: QuerySet[Story], word: str, changes: dict[str, Any]
    ) -> None:
        with transaction.atomic():
            LogEntry.objects.log_actions(
                str(request.user.pk), stories, CHANGE, f"{word.capitalize()}."
            )
            count = _write(stories, changes)
        noun = "story was" if count == 1 else "stories were"
        self.message_user(request, f"{count} {noun} {word}.", messages.SUCCESS)


def _minute(moment: datetime) -> str:
    # Lines break between date and time only.
    return dateformat.format(moment, "j\u00a0M\u00a0Y, H:i")


def _write(stories: QuerySet[Story], changes: dict[str, Any]) -> int:
    """Change stories; who becomes popular is so from now on, who was keeps the date."""
    if changes.get("status") != Status.POPULAR:
        return stories.update(**changes)
    kept = stories.filter(status=Status.POPULAR).update(**changes)
    promoted = {**changes, "promote_date": timezone.now()}
    return kept + stories.exclude(status=Status.POPULAR).update(**promoted)
