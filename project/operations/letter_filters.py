"""The filters of the list of dead letters. They are part of its address."""

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict

from cdc.models import DeadLetter, DeadLetterStatus
from cdc.operations import Audience
from project.operations.link_filters import link, prefix

ALL = "all"
STATES = {
    DeadLetterStatus.WAITING.value: "Waiting",
    DeadLetterStatus.REPLAYED.value: "Replayed",
    DeadLetterStatus.DISCARDED.value: "Discarded",
    ALL: "All",
}
LONGEST = 100
# Larger numbers may not fit into the columns.
_POSITION = re.compile(r"(\d{1,9}):(\d{1,18})")
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilters:
    """The filters that select the dead letters of a list."""

    status: str = DeadLetterStatus.WAITING.value
    reason: str = ""
    """A part of the reason, in upper or lower case."""
    text: str = ""
    """A part of the key, the table or the topic, an id, or a position such as `3:1842`."""

    @property
    def in_use(self) -> bool:
        """Whether a filter other than the state is used."""
        return bool(self.reason or self.text)

    def of(self, letters: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        """Return the dead letters that the filters select."""
        if self.status != ALL:
            letters = letters.filter(status=self.status)
        if self.reason:
            letters = letters.filter(reason__icontains=self.reason)
        return letters.filter(_about(self.text)) if self.text else letters

    def link(self, **changes: Any) -> str:
        """Return the URL query of these filters with `changes` made; omit default values."""
        return link(replace(self, **changes).values)

    @property
    def prefix(self) -> str:
        """The query to which a page number is appended."""
        return prefix(self.values)

    @property
    def values(self) -> dict[str, str]:
        """The parameters of the URL by name. Those with a default value are empty."""
        found: dict[str, str] = asdict(self)
        return {**found, "status": "" if self.status == DeadLetterStatus.WAITING else self.status}


def filters_of(query: QueryDict, audience: Audience) -> tuple[LetterFilters, str]:
    """Return the filters in a URL, and the URL's state if that is unknown, else an empty string.

    Keys and reasons may quote people. An audience that must not see such texts cannot search them.
    """
    wanted = query.get("status", "") or (ALL if "all" in query else "")
    status = wanted or DeadLetterStatus.WAITING.value
    filters = LetterFilters(status=status if status in STATES else DeadLetterStatus.WAITING.value)
    if audience.sees_people:
        texts = {name: query.get(name, "").strip()[:LONGEST] for name in ("reason", "text")}
        filters = replace(filters, **texts)
    return filters, wanted if wanted and wanted not in STATES else ""


def _about(text: str) -> Q:
    position = _POSITION.search(text)
    if position and position.end() == len(text):
        partition, offset = map(int, position.groups())
        return Q(partition=partition, offset=offset)
    found = Q(key_text__icontains=text) | Q(table__icontains=text) | Q(topic__icontains=text)
    return found | Q(pk=int(text)) if _NUMBER.fullmatch(text) else found
