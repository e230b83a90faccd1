"""The page of the operator log, whose entries are never changed or removed."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from cdc.models import OperatorAction
from cdc.operations import Audience, user_names
from project.operations.access import ReadersMixin
from project.operations.link_filters import FilteredListView, prefix
from users.roles import audience_of

_LONGEST = 255
_MOST_PEOPLE = 200
"""The maximum number of actions, and of people, that the filter offers."""
_LINKED = re.compile(r"(job|dead letter) ([0-9]{1,18})\b")
_PAGES = {"job": "job", "dead letter": "dead_letter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One line of the log."""

    action: OperatorAction
    who: str
    target: str
    url: str
    """The page of the job or the dead letter; empty if the target is neither."""


class OperatorLogView(ReadersMixin, FilteredListView[OperatorAction]):
    """The operator log: the actions of operators on the pipeline, newest first, in pages."""

    template_name = "operations/operator_log.html"
    context_object_name = "actions"
    paginate_by = 50

    def get_queryset(self) -> QuerySet[OperatorAction]:
        wanted = {name: value for name, value in self._wanted.items() if value}
        return OperatorAction.objects.filter(**wanted).order_by("-id")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        actions = list(found["actions"])
        people = _used("who")
        names = user_names([*people, *(action.who for action in actions)])
        audience = audience_of(self.request.user)
        return {
            **found,
            "rows": [_row(action, names, audience) for action in actions],
            "kinds": _used("what"),
            "people": {who: names.get(who, who) for who in people},
            "wanted": self._wanted,
            "filtered": any(self._wanted.values()),
            "query": prefix(self._wanted),
        }

    @cached_property
    def _wanted(self) -> dict[str, str]:
        """The action and the person that the address selects; empty for all."""
        return {name: self.request.GET.get(name, "")[:_LONGEST] for name in ("what", "who")}


def _used(column: str) -> list[str]:
    """Return the values that a column of the log has, in alphabetical order."""
    values = OperatorAction.objects.order_by(column).values_list(column, flat=True)
    return list(values.distinct()[:_MOST_PEOPLE])


def _row(action: OperatorAction, names: dict[str, str], audience: Audience) -> LogRow:
    linked = _LINKED.match(action.target)
    url = reverse(_PAGES[linked[1]], args=[linked[2]]) if linked else ""
    target = _visible_target(action.target, audience)
    return LogRow(action=action, who=names.get(action.who, action.who), target=target, url=url)


def _visible_target(target: str, audience: Audience) -> str:
    """Return a target. If the audience must not see people, leave out texts that may quote them.

    These texts are conditions on rows and, in entries of earlier releases, the reasons of dead
    letters.
    """
    if audience.sees_people:
        return target
    if target.startswith("dead letter "):
        return target.partition(":")[0]
    return target.partition(" with ")[0]
