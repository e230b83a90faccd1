"""Dead letters: messages that could not be applied, looked at and decided about."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import DetailView, ListView

from cdc.conf import cdc_settings
from cdc.errors import Refused
from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operations import Inspector, Outcome, discard, people, place, replay
from project.operations.access import ReadersMixin, may_act
from project.operations.confirm import ConfirmView, NeededReasonForm


class LetterListView(ReadersMixin, ListView[DeadLetter]):
    """Those that wait, or all of them; the newest first."""

    template_name = "operations/letters.html"
    context_object_name = "letters"
    paginate_by = 30

    def get_queryset(self) -> QuerySet[DeadLetter]:
        """Return what was asked for; a page of payloads may be fifty megabytes."""
        letters = DeadLetter.objects.defer("key", "value").order_by("-id")
        return letters if self._all else letters.filter(status=DeadLetterStatus.WAITING)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add where each was."""
        found = super().get_context_data(**context)
        rows = [(letter, place(letter)) for letter in found["letters"]]
        return {**found, "rows": rows, "all": self._all, "kept": "all=1&" if self._all else ""}

    @property
    def _all(self) -> bool:
        return "all" in self.request.GET


class LetterView(ReadersMixin, DetailView[DeadLetter]):
    """One letter from its three sides: the message, the row now, the replica now."""

    model = DeadLetter
    template_name = "operations/letter.html"
    context_object_name = "letter"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Look at both ends."""
        letter = self.object
        actor = letter.resolved_by
        return super().get_context_data(
            **context,
            inspection=Inspector(cdc_settings(), DEFAULT_DB_ALIAS).inspect(letter),
            place=place(letter),
            by=people({actor}).get(actor, actor),
            may_act=may_act(self.request) and letter.status == DeadLetterStatus.WAITING,
        )


class DecideView(ConfirmView):
    """Decides about one letter."""

    form_class = NeededReasonForm
    template_name = "operations/letter_decide.html"
    word = ""

    @cached_property
    def letter(self) -> DeadLetter:
        """The letter."""
        return get_object_or_404(DeadLetter, pk=self.kwargs["pk"])

    def decide(self) -> Callable[..., Outcome]:
        """Return what is done with it."""
        raise NotImplementedError

    def back_url(self) -> str:
        """Return the letter's page."""
        return reverse("dead_letter", args=[self.letter.pk])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Name the letter."""
        named = {"letter": self.letter, "place": place(self.letter)}
        return super().get_context_data(**context, **named)

    def act(self, form: Any) -> str:
        """Decide, once; what is refused is said."""
        why = form.cleaned_data["why"]
        outcome = self.decide()([self.letter], why, using=DEFAULT_DB_ALIAS)
        if outcome.refused:
            raise Refused(" ".join(outcome.refused))
        return f"Dead letter {self.letter.pk} was {self.word}."


class ReplayView(DecideView):
    """Sends the row again."""

    title = "Replay a dead letter"
    lead = (
        "The row that it is about is sent again as the database holds it now, through the outbox. "
        "The message itself is not sent."
    )
    button = "Replay"
    word = "replayed"

    def decide(self) -> Callable[..., Outcome]:
        """Replay."""
        return replay


class DiscardView(DecideView):
    """Puts it aside."""

    title = "Discard a dead letter"
    lead = "Nothing is sent. It is kept, and no longer waits."
    button = "Discard"
    word = "discarded"

    def decide(self) -> Callable[..., Outcome]:
        """Discard."""
        return discard
