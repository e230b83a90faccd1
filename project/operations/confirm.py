"""A page that asks before something is done: it is shown by GET and acts by POST."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import FormView

from cdc.errors import CdcError
from project.operations.access import ActorsMixin

_LONGEST_WHY = 2_000


class ReasonForm(forms.Form):
    """Why it is done; it is written down with the person's name, and stays."""

    why = forms.CharField(
        label="Why",
        max_length=_LONGEST_WHY,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="It goes into the operator log with your name, and stays there.",
    )


class NeededReasonForm(ReasonForm):
    """The same, where a reason must be given."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["why"].required = True


class ConfirmView(ActorsMixin, FormView[Any]):
    """Asks, then does; says what was done, or why not."""

    template_name = "operations/confirm.html"
    form_class: Any = ReasonForm
    title = ""
    lead = ""
    """What will happen, in a sentence or two."""
    button = ""
    back = "operations"
    """The page to return to, by its name."""
    done_url = ""
    """The page that follows when it was done, if it is another."""

    def act(self, form: Any) -> str:
        """Do it and return a sentence; raises a CdcError for what is refused."""
        raise NotImplementedError

    def back_url(self) -> str:
        """Return the page that leads here."""
        return reverse(self.back)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the words."""
        words = {"title": self.title, "lead": self.lead, "button": self.button}
        return super().get_context_data(**words, back=self.back_url(), **context)

    def form_valid(self, form: Any) -> HttpResponse:
        """Do it."""
        try:
            messages.success(self.request, self.act(form))
        except CdcError as error:
            messages.error(self.request, f"Nothing was done. {error}")
            return HttpResponseRedirect(self.back_url())
        return HttpResponseRedirect(self.done_url or self.back_url())
