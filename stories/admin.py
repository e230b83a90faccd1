"""Stories in the admin: search, edit, approve and reject."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import dateformat
from django.utils.html import format_html
from django.utils.text import Truncator

from cdc.errors import Refused
from cdc.operations import Audience, trace_row
from cdc.pages import CONFIRMED, RefusalMessages, show_refusal
from stories.actions.reasons import COMMON_REASONS, text_of
from stories.admin_forms import (
    BulkEditForm,
    IndentedEncoder,
    JSONColumnField,
    NamedSplitDateTime,
    StoryForm,
)
from stories.bulk.admin import BulkChanges
from stories.bulk.changes import replace_reason
from stories.bulk.shown import SHOWN, Unseen, code_of
from stories.forms import RejectionForm
from stories.listing.admin_filters import DateFilter, MediaFilter, YearFilter
from stories.models import Status, Story, reason_of
from stories.templatetags.stories import host, submitter
from users.roles import audience_of

_LISTED = 20
"""The maximum number of stories that the bulk edit page lists by title."""
_MAX_IDS = 500
"""The maximum number of ids that the bulk edit page posts. Django accepts 1,000 form fields."""


@admin.register(Story)
class StoryAdmin(BulkChanges, RefusalMessages):
    """Stories in the admin. Every save, update and delete of a story is captured as an event."""

    form = StoryForm
    list_display = ("title", "state", "diggs", "submitter", "site", "submitted_at")
    list_filter = (
        *("status", MediaFilter, ("submit_date", DateFilter), YearFilter),
        ("promote_date", DateFilter),
    )
    list_select_related = ("submitted_by", "rejection")
    list_per_page = 50
    search_fields = ("title", "description", "=source_id", "link")
    show_full_result_count = False  # it would count the whole table for each search
    ordering = ("-submit_date", "-id")
    # autocomplete_fields is not used, because its widget has no accessible name.
    raw_id_fields = ("submitted_by",)
    actions = ("approve", "reject", "edit")
    asking_actions = ("delete_selected", "edit", "reject")
    fieldsets = (
        (
            None,
            {"fields": ("title", "description", "link", "href", "media", "topic", "new_topic")},
        ),
        ("Review", {"fields": ("status", "reason", "shown", "submit_date", "promote_date")}),
        ("Counters", {"fields": (("diggs", "comments"),)}),
        ("Origin", {"fields": ("named_submitter", "submitted_by", "source_id")}),
        (
            "Columns with JSON",
            {"classes": ("collapse",), "fields": ("user", "container", "thumbnail", "shorturl")},
        ),
    )
    formfield_overrides = {
        models.JSONField: {
            "form_class": JSONColumnField,
            "encoder": IndentedEncoder,
            "widget": forms.Textarea(attrs={"rows": 5, "cols": 60, "spellcheck": "false"}),
        },
        models.DateTimeField: {"widget": NamedSplitDateTime},
        models.URLField: {
            "assume_scheme": "https",
            # Django's own widget repeats the address above the field.
            "widget": forms.URLInput(attrs={"class": "vURLField"}),
        },
    }

    def get_readonly_fields(
        self, request: HttpRequest, obj: Story | None = None
    ) -> tuple[str, ...]:
        """Make the source id of a saved story read-only: imports use the id to find the story."""
        return ("named_submitter", "source_id", *_trace_fields(request)) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Story | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            return [_without(each, "named_submitter") for each in fieldsets]
        if not self.has_change_permission(request, obj):
            fieldsets = [_without(each, "new_topic", "shown") for each in fieldsets]
        return (*fieldsets, ("Replication trace", {"fields": _trace_fields(request)}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return the values in the URL, except times: Django cannot show a time given as text."""
        found = super().get_changeform_initial_data(request)
        return {name: found[name] for name in found.keys() - {"submit_date", "promote_date"}}

    def view_on_site(self, obj: Story) -> str:
        """Return the address of the story's page, where staff also approve or reject the story."""
        return reverse("story", args=[obj.pk])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """Offer to add another story only on the empty form."""
        context["show_save_and_add_another"] = options.get("add", False)
        return super().render_change_form(request, context, *args, **options)

    @admin.display(description="Last change")
    def trace(self, story: Story) -> str:
        return trace_row(story).sentence_for(Audience.OPERATORS)

    @admin.display(description="Last change")
    def trace_without_errors(self, story: Story) -> str:
        return trace_row(story).sentence_for(Audience.OVERSEERS)

    @admin.display(description="Site", empty_value="-")
    def site(self, story: Story) -> str | None:
        link = '<a href="{}" rel="noopener nofollow"><bdi>{}</bdi></a>'
        name = host(story.link)
        return format_html(link, story.link, Truncator(name).chars(40)) if name else None

    @admin.display(description="Submitted (UTC)", ordering="submit_date")
    def submitted_at(self, story: Story) -> str:
        return _minute(story.submit_date)

    @admin.display(description="Status", ordering="status")
    def state(self, story: Story) -> str:
        return render_to_string("stories/_status.html", {"status": story.status})

    @admin.display(description="Submitted by", empty_value="-")
    def submitter(self, story: Story) -> str | None:
        name = submitter(story)
        return format_html("<bdi>{}</bdi>", Truncator(name).chars(40)) if name else None

    @admin.display(description="Submitted by")
    def named_submitter(self, story: Story) -> str:
        """Return the submitter's whole name. An imported story has a name without an account."""
        imported = " (imported)" if story.source_id and not story.submitted_by else ""
        name = submitter(story)
        return format_html("<bdi>{}</bdi>{}", name, imported) if name else "-"

    @admin.display(description="Reason")
    def reason(self, story: Story) -> str:
        """Return the reason of a rejection, for staff who may not change the story."""
        return reason_of(story) or "-"

    @admin.action(description="Approve selected stories", permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Story]) -> None:
        """Make stories popular. Stories that are already popular keep their promotion date."""
        unapproved = queryset.exclude(status=Status.POPULAR)
        self._set_status(request, unapproved, "approved", Status.POPULAR)

    @admin.action(description="Reject selected stories…", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Story]) -> HttpResponse | None:
        """Ask for the reason, then reject the stories.

        Rejected stories are hidden from users, except their submitters, readers of the feed, and
        staff who may view or change stories.
        """
        preset = text_of(request.POST.get("preset", ""))
        is_filled_in = CONFIRMED in request.POST and not preset
        form = RejectionForm(request.POST if is_filled_in else None, initial={"reason": preset})
        show_refusal(request, form)
        if not form.is_valid():
            return self._confirm(request, queryset, form, "reject")
        unrejected = queryset.exclude(status=Status.REJECTED)
        self._set_status(
            request, unrejected, "rejected", Status.REJECTED, form.cleaned_data["reason"]
        )
        return None

    @admin.action(description="Edit selected stories…", permissions=["change"])
    def edit(self, request: HttpRequest, queryset: QuerySet[Story]) -> HttpResponse | None:
        """Show the bulk edit form, or apply its values to the selected stories.

        If one story cannot be changed, no story is changed.
        """
        form = BulkEditForm(request.POST if CONFIRMED in request.POST else None)
        show_refusal(request, form)
        if not form.is_valid():
            return self._confirm(request, queryset, form, "edit")
        try:
            self.apply(request, queryset, "edited", form.changes, form.why)
        except Unseen as error:
            self.message_user(request, f"No story was edited. {error}", messages.ERROR)
        return None

    def save_model(self, request: HttpRequest, obj: Story, form: Any, change: bool) -> None:
        """Save the story and the reason for its rejection. An edit writes only changed columns."""
        decides = {"status", "reason"} & set(form.changed_data)
        if change:
            if decides:
                _refuse_unseen(obj.pk, form.cleaned_data["shown"])
            names = {"topic" if name == "new_topic" else name for name in form.changed_data}
            obj.save(update_fields=names - {"reason", "shown"})
        else:
            super().save_model(request, obj, form, change)
        if decides:
            rejected = obj.status == Status.REJECTED
            reason = form.cleaned_data.get("reason", "") if rejected else ""
            replace_reason([obj.pk], reason, request.user)

    def _confirm(
        self, request: HttpRequest, stories: QuerySet[Story], form: forms.Form, action: str
    ) -> HttpResponse:
        count = stories.count()
        form.label_suffix = ""
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.capitalize()} {count} {'story' if count == 1 else 'stories'}",
            "action": action,
            "common_reasons": COMMON_REASONS if action == "reject" else (),
            "opts": self.opts,
            "form": form,
            "stories": stories[:_LISTED],
            "others": max(count - _LISTED, 0),
            "ids": stories.values_list("pk", flat=True)[:_MAX_IDS],
            "across": request.POST.get("select_across") == "1" or count > _MAX_IDS,
            "checkbox": ACTION_CHECKBOX_NAME,
            "shown": request.POST.getlist(SHOWN),
        }
        return TemplateResponse(request, "admin/stories/story/edit_many.html", context)

    def _set_status(
        self,
        request: HttpRequest,
        stories: QuerySet[Story],
        word: str,
        status: Status,
        reason: str = "",
    ) -> None:
        try:
            with transaction.atomic():
                self.apply(request, stories, word, {"status": status}, reason)
        except Refused as error:
            self.message_user(request, f"No story was {word}. {error}", messages.ERROR)


def _refuse_unseen(key: int, code: str) -> None:
    """Lock a story; raise Refused if it differs from what the form showed. Scripts send no code."""
    stored = Story.objects.select_for_update().filter(pk=key).first()
    if stored and code and code != code_of(stored):
        raise Refused("The story was changed in the meantime. Reload this page, then decide again.")


def _without(fieldset: Any, *names: str) -> Any:
    title, options = fieldset
    return title, {**options, "fields": [each for each in options["fields"] if each not in names]}


def _minute(moment: datetime) -> str:
    # With these non-breaking spaces, a line can break only between date and time.
    return dateformat.format(moment, "j\u00a0M\u00a0Y, H:i")


def _trace_fields(request: HttpRequest) -> tuple[str, ...]:
    """Return the field of the replication trace. Only operators see the text of an error."""
    sees_errors = audience_of(request.user).sees_people
    return ("trace",) if sees_errors else ("trace_without_errors",)
