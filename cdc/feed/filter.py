"""The filter of the feed. The URL contains the filter, so that users can share a filtered page."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from django.http import QueryDict

from cdc.audience import Audience
from cdc.feed.rendering import RenderedChange
from cdc.wire.event import Operation

_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The conditions that a change must meet; an empty filter matches every change."""

    ops: frozenset[str] = frozenset()
    key: str = ""
    field: str = ""
    """A column that an update must have changed."""
    topic_name: str = ""
    """The name in a row's topic column."""
    text: str = ""
    """A part of the title."""
    user: str = ""

    @classmethod
    def parse(cls, query: QueryDict, audience: Audience) -> Self:
        """Return the filter in a query string; unknown operations are ignored.

        An audience that does not see users cannot filter by user either, because the result would
        reveal who made a change.
        """
        return cls(
            ops=frozenset(query.getlist("op")) & frozenset(Operation),
            key=_text(query, "story"),
            field=_text(query, "field"),
            topic_name=_text(query, "topic"),
            text=_text(query, "text"),
            user=_text(query, "who") if audience.sees_people else "",
        )

    def __bool__(self) -> bool:
        return self != Filter()

    def matches(self, change: RenderedChange, audience: Audience) -> bool:
        """Return whether a change meets all conditions.

        An unrecognised message meets no condition. Only an empty filter matches it.
        """
        return (
            (not self.ops or change.op in self.ops)
            and (not self.key or change.key == self.key)
            and (not self.field or self.field in change.visible_fields(audience))
            and (not self.topic_name or change.topic_name.casefold() == self.topic_name.casefold())
            and (not self.text or self.text.casefold() in change.title.casefold())
            and (not self.user or change.user == self.user)
        )

    def query(self, **more: str) -> str:
        """Return the filter and the parameters in `more` as a query string."""
        return urlencode(
            [*self._pairs(), *((name, value) for name, value in more.items() if value)]
        )

    def _pairs(self) -> list[tuple[str, str]]:
        named = {
            "story": self.key,
            "field": self.field,
            "topic": self.topic_name,
            "text": self.text,
            "who": self.user,
        }
        return [("op", op) for op in sorted(self.ops)] + [
            (name, value) for name, value in named.items() if value
        ]


def _text(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\0", "").strip()[:_LONGEST]
