"""The parameters of the list of stories."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from django.http import QueryDict
from django.utils.http import urlencode

from stories.listing.search import search_words
from stories.listing.topics import known_topic
from stories.models import Status

_STATUSES = {"": "All", **{status.value: str(status.label) for status in Status}}
_MY_REJECTED = "My rejected"
_TITLES = {
    "": "All stories that are not rejected",
    Status.SUBMITTED: "Stories that wait for a review",
    Status.UPCOMING: "Reviewed stories that are not popular yet",
    Status.POPULAR: "Stories that were approved or became popular",
    Status.REJECTED: "Stories that were rejected in a review",
}
"""What the choices of a status mean."""
SORTS = {"new": "New", "diggs": "Most dug", "comments": "Most commented"}
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A parameter of the story list whose value is unknown, such as a topic that does not exist."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The valid parameters of a story list, and the parameters whose values are unknown."""

    q: str = ""
    topic: str = ""
    sort: str = "new"
    status: str = ""
    after: int = 0
    """The number of stories that a search skips, because they were searched before."""
    unknown: tuple[Unknown, ...] = ()

    @classmethod
    def of_status(cls, text: str) -> Self:
        """Return the filters of a list that has no other filter than the status."""
        status = known_status(text)
        unknown = (Unknown(name="status", value=text),) if text and not status else ()
        return cls(status=status, unknown=unknown)

    @classmethod
    def read(cls, given: QueryDict) -> Self:
        """Return the filters of a query string."""
        text = {name: search_words(given.get(name, "")) for name in ("q", "topic")}
        word = {name: search_words(given.get(name, "")).lower() for name in ("sort", "status")}
        valid = {
            "topic": known_topic(text["topic"]) if text["topic"] else "",
            "sort": word["sort"] if word["sort"] in SORTS else "",
            "status": known_status(word["status"]),
        }
        unknown = [
            Unknown(name=name, value=value)
            for name, value in {**text, **word}.items()
            if value and not valid.get(name, True)
        ]
        return cls(
            q=text["q"],
            topic=valid["topic"],
            sort=valid["sort"] or "new",
            status=valid["status"],
            after=number(given.get("after", "")) if text["q"] else 0,
            unknown=tuple(unknown),
        )

    @property
    def hides_all(self) -> bool:
        """Whether no story matches, because there is no such topic or status."""
        return any(each.name in {"topic", "status"} for each in self.unknown)

    @property
    def around_search(self) -> dict[str, str]:
        """The parameters that stay the same when the user searches for different words."""
        sort = self.sort if self.sort != "new" else ""
        given = {"topic": self.topic, "sort": sort, "status": self.status}
        return {name: value for name, value in given.items() if value}

    def changed(self, name: str, value: str) -> Self:
        """Return a copy with one value changed. Its search begins with the newest stories again."""
        changes: dict[str, Any] = {"after": 0, name: value}
        return replace(self, **changes)

    def link(self, page: int = 1, after: int = 0) -> str:
        """Return the query string of a page, without empty parameters.

        `after` is the number of stories that the search skips; with 0, `self.after` is used.
        """
        pairs = {
            "q": self.q,
            **self.around_search,
            "after": after or self.after or "",
            "page": page if page > 1 else "",
        }
        query = urlencode({name: value for name, value in pairs.items() if value})
        return f"?{query}" if query else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A link that changes one filter."""

    label: str
    link: str
    is_current: bool = False
    count: int = 0
    """The number of stories, on a page that shows it."""
    title: str = ""
    """What the label means."""


def known_status(text: str) -> str:
    """Return the status that a parameter contains; empty if there is no such status."""
    word = search_words(text).lower()
    return word if word in Status.values else ""


def counted_statuses(filters: Filters, counts: Mapping[str, int]) -> list[Choice]:
    """Return links with story counts: for all stories, each status in use, and the chosen status.

    If all stories have the same status and none is chosen, return an empty list.
    """
    if len(counts) <= 1 and not filters.status:
        return []
    numbers = {**counts, "": sum(counts.values())}
    return [
        replace(_choice(filters, "status", *pair), count=numbers.get(pair[0], 0))
        for pair in _STATUSES.items()
        if pair[0] in numbers or pair[0] == filters.status
    ]


def choices(filters: Filters, topics: Sequence[str], *, reads_all: bool) -> dict[str, Any]:
    """Return the context of the filter templates: the filters, and links that change them.

    Without `reads_all`, the only rejected stories in the list are the user's own.
    """
    labels = _STATUSES if reads_all else {**_STATUSES, Status.REJECTED.value: _MY_REJECTED}
    return {
        "filters": filters,
        "q": filters.q,
        "search_within": filters.around_search.items(),
        "sorts": [_choice(filters, "sort", *pair) for pair in SORTS.items()],
        "statuses": [
            replace(_choice(filters, "status", *pair), title=_TITLES[pair[0]])
            for pair in labels.items()
        ],
        "topics": [_choice(filters, "topic", name, name) for name in topics],
        "in_use": _in_use(filters, labels),
    }


def _choice(filters: Filters, name: str, value: str, label: str) -> Choice:
    # With an unknown value, no story is shown, so the choice of all stories is not the current one.
    is_unknown = not value and any(each.name == name for each in filters.unknown)
    current = getattr(filters, name) == value and not is_unknown
    # A second click on the topic in use shows all topics again.
    wanted = "" if current and name == "topic" else value
    return Choice(label=label, link=filters.changed(name, wanted).link(), is_current=current)


def _in_use(filters: Filters, statuses: Mapping[str, str]) -> list[Choice]:
    """Return the filters that leave out stories, each with a link that removes the filter."""
    used = {"q": filters.q, "topic": filters.topic, "status": statuses[filters.status]}
    return [
        Choice(label=label, link=filters.changed(name, "").link())
        for name, label in used.items()
        if getattr(filters, name)
    ]


def number(text: str) -> int:
    """Return the number that a parameter contains, or 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
