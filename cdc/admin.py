"""The admin pages of `cdc`: read-only, except that dead letters can be replayed or discarded."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import dateformat

from cdc.admin_readers import ForAudience, ReadOnlyAdmin, TimeFilter
from cdc.conf import cdc_settings
from cdc.dead_letters.decisions import Outcome, discard, replay
from cdc.dead_letters.inspection import LONGEST_PAYLOAD, Inspector
from cdc.dead_letters.visible import place
from cdc.models import DeadLetter, Epoch, OperatorAction, OutboxRecord, RelayLease
from cdc.operator_log import people
from cdc.printable import printable

_LONGEST_KEY, _LONGEST_REASON = 60, 140
_TO_THE_SECOND = "j\u00a0M\u00a0Y, H:i:s"
"""Django's format of a date and a time. No-break spaces keep the date on one line."""
_LISTED = 20
"""The maximum number of dead letters that a confirmation page lists; the rest are only counted."""
_MOST_FIELDS = 500
"""The maximum number of dead letters that a confirmation page sends as hidden fields.

Django accepts at most 1,000 fields in a form.
"""


class TableFilter(admin.AllValuesFieldListFilter):
    """A filter by table. The choice for dead letters without a table has the label `(none)`."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "(none)"}


class PeopleList(ChangeList):
    """A changelist that looks up the names of all actors with one query."""

    def get_results(self, request: HttpRequest) -> None:
        """Set `person` on each row of the page to the name of the row's actor."""
        super().get_results(request)
        rows: Sequence[Any] = list(self.result_list)
        names = people({actor_of(row) for row in rows})
        for row in rows:
            row.person = names.get(actor_of(row), actor_of(row))
        self.result_list = rows


def actor_of(row: DeadLetter | OperatorAction) -> str:
    return row.resolved_by if isinstance(row, DeadLetter) else row.who


class WhyForm(forms.Form):
    """Asks for the reason for a decision about dead letters."""

    why = forms.CharField(
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text="The reason is recorded with your name and cannot be changed later.",
    )


@admin.register(DeadLetter)
class DeadLetterAdmin(ForAudience):
    """Messages that could not be applied or published, and the decision about each message."""

    list_display = ("id", "status", "short_reason", "short_key", "where", "since", "by")
    list_filter = (
        *("status", "group", "topic"),
        ("table", TableFilter),
        ("created_at", TimeFilter),
    )
    search_fields = ("key_text", "reason", "topic", "=offset")
    search_help_text = "Search keys, reasons and topics, or enter an exact offset."
    ordering = ("-id",)
    personal = ("short_reason", "short_key", "reason", "key_text", "table")
    actions = ("replay_selected", "discard_selected")
    change_form_template = "admin/cdc/deadletter/change_form.html"
    fields = (
        *("status", "reason", "where", "key_text", "table", "group", "size", "since"),
        *("resolved_at", "by", "why"),
    )
    readonly_fields = ("where", "since", "by")

    class Media:
        css = {"all": ["cdc/dead_letters.css"]}

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "has_perm", bool)("cdc.resolve_deadletter"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Defer the columns `key` and `value`, which can add up to 50 MB on one page."""
        return super().get_queryset(request).defer("key", "value")

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return PeopleList

    @admin.display(description="Since (UTC)", ordering="created_at")
    def since(self, letter: DeadLetter) -> str:
        return dateformat.format(letter.created_at, _TO_THE_SECOND)

    @admin.display(description="Place", ordering="offset")
    def where(self, letter: DeadLetter) -> str:
        return place(letter)

    @admin.display(description="Key", ordering="key_text")
    def short_key(self, letter: DeadLetter) -> str:
        return printable(letter.key_text, _LONGEST_KEY)

    @admin.display(description="Reason", ordering="reason")
    def short_reason(self, letter: DeadLetter) -> str:
        return printable(letter.reason, _LONGEST_REASON)

    @admin.display(description="Resolved by", ordering="resolved_by")
    def by(self, letter: DeadLetter) -> str:
        actor = letter.resolved_by
        return getattr(letter, "person", None) or people({actor}).get(actor, actor) or "-"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a dead letter's message next to the current row and the row's documents."""
        letter = self.get_object(request, object_id)
        context = dict(extra_context or {}, title="Dead letter")
        if letter is not None:
            inspector = Inspector(cdc_settings(), DEFAULT_DB_ALIAS)
            context["inspection"] = inspector.inspect(letter, self.audience(request))
            context["may_resolve"] = self.has_resolve_permission(request)
        return super().change_view(request, object_id, form_url, context)

    @admin.action(description="Replay selected dead letters", permissions=["resolve"])
    def replay_selected(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter]
    ) -> HttpResponse | None:
        return self._decide(request, queryset, replay, "replay")

    @admin.action(description="Discard selected dead letters", permissions=["resolve"])
    def discard_selected(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter]
    ) -> HttpResponse | None:
        return self._decide(request, queryset, discard, "discard")

    def _decide(
        self,
        request: HttpRequest,
        letters: QuerySet[DeadLetter],
        decide: Callable[..., Outcome],
        verb: str,
    ) -> HttpResponse | None:
        form = WhyForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, letters, form, verb)
        each = (letters.get(pk=number) for number in list(letters.values_list("pk", flat=True)))
        outcome = decide(each, form.cleaned_data["why"], using=DEFAULT_DB_ALIAS)
        count = len(outcome.resolved)
        if count:
            noun = "dead letter was" if count == 1 else "dead letters were"
            self.message_user(request, f"{count} {noun} {verb}ed.", messages.SUCCESS)
        elif outcome.unchanged:
            form.add_error(None, " ".join(outcome.unchanged[:_LISTED]))
            return self._ask(request, letters, form, verb)
        for sentence in outcome.unchanged[:_LISTED]:
            self.message_user(request, self._refusal(request, sentence), messages.ERROR)
        return None

    def _refusal(self, request: HttpRequest, sentence: str) -> str:
        """Return the message about a refusal, without the cause if the user must not see values."""
        summary, _, cause = sentence.partition(". ")
        return f"{summary}. {self.audience(request).text(cause)}"

    def _ask(
        self, request: HttpRequest, letters: QuerySet[DeadLetter], form: WhyForm, verb: str
    ) -> HttpResponse:
        count = letters.count()
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb.capitalize()} {count} dead letter{'' if count == 1 else 's'}",
            "opts": self.opts,
            "verb": verb,
            "form": form,
            "letters": letters[:_LISTED],
            "sees_people": self.audience(request).sees_people,
            "others": max(count - _LISTED, 0),
            "ids": letters.values_list("pk", flat=True)[:_MOST_FIELDS],
            "across": request.POST.get("select_across") == "1" or count > _MOST_FIELDS,
            "checkbox": ACTION_CHECKBOX_NAME,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/cdc/deadletter/resolve.html", context)


@admin.register(OperatorAction)
class OperatorActionAdmin(ForAudience):
    """The operator log."""

    list_display = ("when", "by", "what", "target", "why")
    list_display_links = None
    fields = readonly_fields = ("when", "by", "what", "target", "why")
    list_filter = ("what", ("at", TimeFilter))
    search_fields = ("who", "target", "why")
    # A target may contain the conditions of a snapshot.
    personal = ("target",)

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return PeopleList

    @admin.display(description="When (UTC)", ordering="at")
    def when(self, action: OperatorAction) -> str:
        return dateformat.format(action.at, _TO_THE_SECOND)

    @admin.display(description="Who", ordering="who")
    def by(self, action: OperatorAction) -> str:
        named = getattr(action, "person", None)
        return str(named or people({action.who}).get(action.who, action.who))


@admin.register(OutboxRecord)
class OutboxRecordAdmin(ForAudience):
    """Changes that the relay has not published and deleted yet."""

    list_display = ("id", "op", "table", "key", "topic", "user", "epoch")
    list_filter = ("op", "table", "topic")
    search_fields = ("=key",)
    personal = ("user", "row_before", "row_after")
    search_help_text = 'An exact key, such as {"id":17}.'
    fields = (
        *("epoch", "topic", "key", "op", "table", "db", "ts_ms", "user", "traceparent"),
        *("row_before", "row_after"),
    )
    readonly_fields = ("row_before", "row_after")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxRecord]:
        """Defer the columns `before` and `after`, which may be large."""
        return super().get_queryset(request).defer("before", "after")

    @admin.display(description="Before", empty_value="-")
    def row_before(self, row: OutboxRecord) -> str | None:
        return None if row.before is None else printable(bytes(row.before), LONGEST_PAYLOAD)

    @admin.display(description="After", empty_value="-")
    def row_after(self, row: OutboxRecord) -> str | None:
        return None if row.after is None else printable(bytes(row.after), LONGEST_PAYLOAD)


@admin.register(Epoch)
class EpochAdmin(ReadOnlyAdmin):
    """The database's epoch."""


@admin.register(RelayLease)
class RelayLeaseAdmin(ReadOnlyAdmin):
    """The lease of the publishing relay."""

    list_display = ("name", "owner", "token", "expires_at")
