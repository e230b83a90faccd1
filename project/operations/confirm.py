"""A confirmation page: GET shows the page, POST performs the action."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.generic import FormView

from cdc.pages import RefusalMixin
from project.operations.access import ActorsMixin

_LONGEST_REASON = 2_000


def optional(label: str) -> SafeString:
    """Return the label of a field that may be left empty."""
    return format_html('{} <span class="sf-optional">(optional)</span>', label)


class ReasonForm(forms.Form):
    """An optional reason for the operator log."""

    why = forms.CharField(
        label=optional("Why"),
        max_length=_LONGEST_REASON,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The operator log records the reason with your name. "
        "The reason cannot be changed later.",
    )


class RequiredReasonForm(ReasonForm):
    """A mandatory reason for the operator log."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["why"].required = True
        self.fields["why"].label = "Why"


class ConfirmView(ActorsMixin, RefusalMixin, FormView[Any]):
    """Shows a confirmation page, performs the action, and reports the outcome."""

    template_name = "operations/confirm.html"
    form_class: Any = ReasonForm
    title = ""
    lead = ""
    """What will happen, in a sentence or two."""
    warning = ""
    """What is easily overlooked and cannot be undone."""
    button = ""
    danger = False
    """Whether the button is red, like the button that leads to this page."""
    cancel = "Cancel"
    """The text of the link that leaves the page without the action."""
    back = "operations"
    """The URL name of the page that links to this page."""
    level = messages.SUCCESS
    """The level of the message; an action that succeeds only in part sets WARNING."""
    done_url = ""
    """The URL of the page to show after the action; if empty, `back_url()` is used."""

    def act(self, form: Any) -> str:
        """Perform the action and return a message. Raise a CdcError if the action is refused."""
        raise NotImplementedError

    def back_url(self) -> str:
        """Return the URL of the page that links to this page."""
        return reverse(self.back)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        names = ("title", "lead", "warning", "button", "danger", "cancel")
        texts = {name: getattr(self, name) for name in names}
        return super().get_context_data(**texts, back=self.back_url(), **context)

    def form_valid(self, form: Any) -> HttpResponse:
        sentence = self.act(form)
        messages.add_message(self.request, self.level, sentence)
        return HttpResponseRedirect(self.done_url or self.back_url())
