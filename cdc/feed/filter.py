"""Which changes a reader wants to see; it lives in the page's address, so that a link shares it."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from django.http import QueryDict

from cdc.feed.audience import Audience
from cdc.feed.change import Change
from cdc.wire.event import Operation

_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a change must be; an empty part lets everything pass."""

    ops: frozenset[str] = frozenset()
    key: str = ""
    field: str = ""
    """A column that an update must have changed."""
    subject: str = ""
    who: str = ""

    @classmethod
    def parse(cls, query: QueryDict, audience: Audience) -> Self:
        """Return the filter of an address; what it cannot mean is left out.

        Who is not shown who changed something must not learn it by asking either.
        """
        return cls(
            ops=frozenset(query.getlist("op")) & frozenset(Operation),
            key=_word(query, "story"),
            field=_word(query, "field"),
            subject=_word(query, "topic"),
            who=_word(query, "who") if audience.sees_people else "",
        )

    def __bool__(self) -> bool:
        return self != Filter()

    def matches(self, change: Change, audience: Audience) -> bool:
        """Return whether a change is wanted; what is no event of ours is wanted by no filter."""
        return (
            (not self.ops or change.op in self.ops)
            and (not self.key or change.key == self.key)
            and (not self.field or self.field in change.shown_fields(audience))
            and (not self.subject or change.subject.casefold() == self.subject.casefold())
            and (not self.who or change.who == self.who)
        )

    def query(self, **more: str) -> str:
        """Return the part of an address that says the same, and more."""
        return urlencode(
            [*self._pairs(), *((name, value) for name, value in more.items() if value)]
        )

    def _pairs(self) -> list[tuple[str, str]]:
        named = {
            "story": self.key,
            "field": self.field,
            "topic": self.subject,
            "who": self.who,
        }
        return [("op", op) for op in sorted(self.ops)] + [
            (name, value) for name, value in named.items() if value
        ]


def _word(query: QueryDict, name: str) -> str:
    return query.get(name, "").replace("\0", "").strip()[:_LONGEST]
