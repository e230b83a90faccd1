"""The pages on which operators replay or discard one dead letter, or many at once."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operations import (
    Outcome,
    dead_letter_position,
    discard_dead_letter,
    discard_dead_letters,
    replay_dead_letter,
    replay_dead_letters,
)
from project.operations.confirm import ConfirmView, RequiredReasonForm
from project.operations.letter_filters import LetterFilters, filters_of
from users.roles import audience_of

MOST = 500
"""The maximum number of dead letters in one decision, so that the request ends in time."""
_LONGEST_ID = 18
_SENT = (
    "The current state of {row} in the database is resent through the outbox. "
    "The {message} not sent."
)
_KEPT = (
    "Nothing is sent. The {letters} kept and marked as discarded. A change that was not applied "
    "stays missing until its row changes again or a reconciliation repairs it."
)


class DecideView(ConfirmView):
    """The base class of the pages that replay or discard one dead letter."""

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
    lead = _SENT.format(row="the row", message="message itself is")
    button = "Replay"

    def act(self, form: Any) -> str:
        replay_dead_letter(self.letter, form.cleaned_data["why"])
        return f"Dead letter {self.letter.pk} was replayed."


class DiscardView(DecideView):
    """Discards a dead letter: marks it as discarded and sends nothing."""

    title = "Discard a dead letter"
    lead = _KEPT.format(letters="dead letter is")
    button = "Discard"
    danger = True

    def act(self, form: Any) -> str:
        discard_dead_letter(self.letter, form.cleaned_data["why"])
        return f"Dead letter {self.letter.pk} was discarded."


class BulkForm(RequiredReasonForm):
    """A reason, and the ids of the dead letters that the operator has seen."""

    letters = forms.CharField(widget=forms.HiddenInput, max_length=MOST * (_LONGEST_ID + 1))

    def clean_letters(self) -> list[int]:
        return ids(self.cleaned_data["letters"].split(","))


class BulkDecideView(ConfirmView):
    """The base class of the pages that replay or discard many dead letters."""

    form_class = BulkForm
    template_name = "operations/dead_letters_decide.html"
    verb = ""
    """The label of the button. With `ed` appended, it is the past participle."""

    def get(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if not self._chosen[0]:
            messages.error(request, "Select at least one dead letter that waits for a decision.")
            return HttpResponseRedirect(self.back_url())
        return super().get(request, *args, **options)

    def back_url(self) -> str:
        return f"{reverse('dead_letters')}{self._filters.link()}".removesuffix("?")

    def get_initial(self) -> dict[str, Any]:
        return {"letters": ",".join(map(str, self._chosen[0]))}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        form = context.get("form")
        numbers = ids((form["letters"].value() or "").split(",")) if form else self._chosen[0]
        title = f"{self.verb} {counted(len(numbers))}"
        found = super().get_context_data(**context)
        left = max(self._chosen[1] - len(numbers), 0)
        return {**found, "title": title, "count": len(numbers), "left": left}

    def act(self, form: Any) -> str:
        outcome = self.decide(form.cleaned_data["letters"], form.cleaned_data["why"])
        if outcome.unchanged or not outcome.resolved:
            self.level = messages.WARNING
        return outcome_sentence(outcome, self.verb.lower())

    def decide(self, numbers: Iterable[int], why: str) -> Outcome:
        """Replay or discard the dead letters with these ids."""
        raise NotImplementedError

    @cached_property
    def _filters(self) -> LetterFilters:
        return filters_of(self.request.GET, audience_of(self.request.user))[0]

    @cached_property
    def _chosen(self) -> tuple[list[int], int]:
        """The oldest waiting dead letters that the URL selects, and how many it selects in all."""
        newest = ids(self.request.GET.getlist("newest"))
        if newest:
            chosen = self._filters.of(DeadLetter.objects.filter(pk__lte=newest[0]))
        else:
            chosen = DeadLetter.objects.filter(pk__in=ids(self.request.GET.getlist("letter")))
        waiting = chosen.filter(status=DeadLetterStatus.WAITING).order_by("pk")
        return list(waiting.values_list("pk", flat=True)[:MOST]), waiting.count()


class BulkReplayView(BulkDecideView):
    """Replays many dead letters: sends the current state of their rows again."""

    verb = button = "Replay"
    lead = _SENT.format(row="each row", message="messages themselves are")

    def decide(self, numbers: Iterable[int], why: str) -> Outcome:
        return replay_dead_letters(numbers, why)


class BulkDiscardView(BulkDecideView):
    """Discards many dead letters: marks them as discarded and sends nothing."""

    verb = button = "Discard"
    danger = True
    lead = _KEPT.format(letters="dead letters are")

    def decide(self, numbers: Iterable[int], why: str) -> Outcome:
        return discard_dead_letters(numbers, why)


def ids(texts: Iterable[str]) -> list[int]:
    """Return the ids in these texts, each once, up to `MOST`. Other texts are ignored."""
    numbers = (
        int(text)
        for text in texts
        if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID
    )
    return list(dict.fromkeys(numbers))[:MOST]


def outcome_sentence(outcome: Outcome, verb: str) -> str:
    """Return the message after a decision on many dead letters. `verb` is `replay` or `discard`."""
    done = len(outcome.resolved)
    sentences = [f"{counted(done)} {'was' if done == 1 else 'were'} {verb}ed."]
    if outcome.decided:
        sentences.append(f"{counted(len(outcome.decided))} had already been replayed or discarded.")
    if outcome.refused:
        failed = counted(len(outcome.refused))
        sentences.append(f"{failed} could not be {verb}ed. {outcome.refused[0]}")
    return " ".join(sentences)


def counted(number: int) -> str:
    return f"{number:,} dead letter{'' if number == 1 else 's'}"
