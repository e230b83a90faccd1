"""The pages on which operators find and inspect dead letters."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
from django.db.models import Count, Max, QuerySet
from django.views.generic import DetailView

from cdc.api import registry
from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operations import (
    Audience,
    dead_letter_operations,
    dead_letter_position,
    dead_letter_texts,
    inspect_dead_letter,
    user_names,
)
from project.operations.access import ReadersMixin, may_act
from project.operations.letter_filters import ALL, STATES, LetterFilters, filters_of
from project.operations.link_filters import FilteredListView
from users.roles import audience_of

_TONES = {
    DeadLetterStatus.WAITING: "warn",
    DeadLetterStatus.REPLAYED: "good",
    DeadLetterStatus.DISCARDED: "neutral",
}
_OPERATIONS = {"c": "Created", "u": "Updated", "d": "Deleted", "r": "Resent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    """One line of the list."""

    letter: DeadLetter
    name: str
    """The model and the key of the row, or the number of the dead letter if the key is hidden."""
    operation: str
    """A word; empty if the message names no operation."""
    reason: str
    position: str
    tone: str


class DeadLetterListView(ReadersMixin, FilteredListView[DeadLetter]):
    """The dead letters that wait for a decision, or those that match the filters, newest first."""

    template_name = "operations/dead_letters.html"
    context_object_name = "letters"
    paginate_by = 50

    def get_queryset(self) -> QuerySet[DeadLetter]:
        # The payloads of one page may take 50 MB, so they are not loaded.
        return self._filters.of(DeadLetter.objects.defer("key", "value").order_by("-id"))

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        filters = self._filters
        counts = _counts()
        states = [
            (label, filters.link(status=value), value == filters.status, counts[value])
            for value, label in STATES.items()
        ]
        acts = may_act(self.request) and filters.status == DeadLetterStatus.WAITING
        return {
            **found,
            "rows": letter_rows(found["letters"], self._audience),
            "sees_people": self._audience.sees_people,
            "filters": filters,
            "states": states,
            "total": counts[ALL],
            "unknown": self._unknown,
            "plain": filters.link(reason="", text=""),
            "query": filters.prefix,
            "may_act": acts,
            "newest": self._newest() if acts and found["is_paginated"] else None,
        }

    def _newest(self) -> int | None:
        """Return the newest id, so that a decision leaves out dead letters that arrive later."""
        newest: int | None = self._filters.of(DeadLetter.objects.all()).aggregate(n=Max("pk"))["n"]
        return newest

    @cached_property
    def _audience(self) -> Audience:
        return audience_of(self.request.user)

    @property
    def _filters(self) -> LetterFilters:
        return self._asked[0]

    @property
    def _unknown(self) -> str:
        return self._asked[1]

    @cached_property
    def _asked(self) -> tuple[LetterFilters, str]:
        return filters_of(self.request.GET, self._audience)


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
        inspection = inspect_dead_letter(letter, audience)
        operation = dead_letter_operations([letter.pk]).get(letter.pk, "")
        return super().get_context_data(
            **context,
            inspection=inspection,
            faulty=faulty_column(letter.reason, [line.column for line in inspection.lines]),
            operation=_OPERATIONS.get(operation, ""),
            key=key,
            reason=reason,
            position=dead_letter_position(letter),
            state=STATES[letter.status],
            tone=_TONES[DeadLetterStatus(letter.status)],
            resolved_by=user_names([actor]).get(actor, actor),
            may_act=may_act(self.request) and letter.status == DeadLetterStatus.WAITING,
        )


def _counts() -> Counter[str]:
    """Return the number of dead letters in each state, and their total."""
    states = DeadLetter.objects.order_by().values_list("status").annotate(Count("pk"))
    counts = Counter(dict(states))
    counts[ALL] = counts.total()
    return counts


def letter_rows(letters: Sequence[DeadLetter], audience: Audience) -> list[LetterRow]:
    """Return the lines of a list, without what the audience may not see."""
    operations = dead_letter_operations([letter.pk for letter in letters])
    return [
        LetterRow(
            letter=letter,
            name=_name(letter) if audience.sees_people else f"Dead letter {letter.pk}",
            operation=_OPERATIONS.get(operations.get(letter.pk, ""), ""),
            reason=letter.reason[:300] if audience.sees_people else "",
            position=dead_letter_position(letter),
            tone=_TONES[DeadLetterStatus(letter.status)],
        )
        for letter in letters
    ]


def faulty_column(reason: str, columns: Sequence[str]) -> str:
    """Return the column that a reason names at its beginning; empty if it is not in `columns`."""
    named = re.match(r"Column (\S+) ", reason)
    return named[1] if named and named[1] in columns else ""


def _name(letter: DeadLetter) -> str:
    try:
        key = orjson.loads(letter.key_text)
    except orjson.JSONDecodeError:
        key = None
    if isinstance(key, dict) and len(key) == 1:
        (value,) = key.values()
        if isinstance(value, str | int):
            nouns = {each.table: each.model._meta.verbose_name for each in registry}
            return f"{nouns.get(letter.table, letter.table)} {value}".strip()
    return letter.key_text or "no key"
