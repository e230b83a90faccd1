"""The pages on which operators inspect, replay and discard dead letters."""

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.generic import DetailView, ListView

from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operations import (
    dead_letter_position,
    dead_letter_texts,
    discard_dead_letter,
    inspect_dead_letter,
    replay_dead_letter,
    user_names,
)
from project.operations.access import ReadersMixin, may_act
from project.operations.confirm import ConfirmView, RequiredReasonForm
from users.roles import audience_of


class DeadLetterListView(ReadersMixin, ListView[DeadLetter]):
    """The dead letters that wait for a decision, or all dead letters, newest first."""

    template_name = "operations/dead_letters.html"
    context_object_name = "letters"
    paginate_by = 30

    def get_queryset(self) -> QuerySet[DeadLetter]:
        # The payloads of one page may take 50 MB, so they are not loaded.
        letters = DeadLetter.objects.defer("key", "value").order_by("-id")
        return letters if self._all else letters.filter(status=DeadLetterStatus.WAITING)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        sees_people = audience_of(self.request.user).sees_people
        rows = [(letter, dead_letter_position(letter)) for letter in found["letters"]]
        shown = {"rows": rows, "sees_people": sees_people, "all": self._all}
        return {**found, **shown, "query": "all=1&" if self._all else ""}

    @property
    def _all(self) -> bool:
        return "all" in self.request.GET


class DeadLetterView(ReadersMixin, DetailView[DeadLetter]):
    """One dead letter: the message, the current row and the current replica, side by side."""

    model = DeadLetter
    template_name = "operations/dead_letter.html"
    context_object_name = "letter"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        letter = self.object
        actor = letter.resolved_by
        audience = audience_of(self.request.user)
        key, reason = dead_letter_texts(letter, audience)
        return super().get_context_data(
            **context,
            inspection=inspect_dead_letter(letter, audience),
            key=key,
            reason=reason,
            position=dead_letter_position(letter),
            resolved_by=user_names([actor]).get(actor, actor),
            may_act=may_act(self.request) and letter.status == DeadLetterStatus.WAITING,
        )


class DecideView(ConfirmView):
    """The base class of the pages that decide about one dead letter."""

    form_class = RequiredReasonForm
    template_name = "operations/dead_letter_decide.html"

    @cached_property
    def letter(self) -> DeadLetter:
        """The dead letter that the URL names."""
        return get_object_or_404(DeadLetter, pk=self.kwargs["pk"])

    def back_url(self) -> str:
        return reverse("dead_letter", args=[self.letter.pk])

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        about = {"letter": self.letter, "position": dead_letter_position(self.letter)}
        return super().get_context_data(**context, **about)


class ReplayView(DecideView):
    """Replays a dead letter: sends the current state of its row again."""

    title = "Replay a dead letter"
    lead = (
        "The current state of the row in the database is sent again through the outbox. "
        "The message itself is not sent."
    )
    button = "Replay"

    def act(self, form: Any) -> str:
        replay_dead_letter(self.letter, form.cleaned_data["why"])
        return f"Dead letter {self.letter.pk} was replayed."


class DiscardView(DecideView):
    """Discards a dead letter: marks it as discarded and sends nothing."""

    title = "Discard a dead letter"
    lead = "Nothing is sent. The dead letter is kept and marked as discarded."
    button = "Discard"

    def act(self, form: Any) -> str:
        discard_dead_letter(self.letter, form.cleaned_data["why"])
        return f"Dead letter {self.letter.pk} was discarded."
