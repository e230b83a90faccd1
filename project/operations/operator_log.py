"""The page of the operator log, whose entries are never changed or removed."""

from typing import Any

from django.views.generic import ListView

from cdc.models import OperatorAction
from cdc.operations import Audience, user_names
from project.operations.access import ReadersMixin
from users.roles import audience_of


class OperatorLogView(ReadersMixin, ListView[OperatorAction]):
    """The operator log: the actions of operators on the pipeline, newest first, in pages."""

    template_name = "operations/operator_log.html"
    context_object_name = "actions"
    queryset = OperatorAction.objects.order_by("-id")
    paginate_by = 50

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = super().get_context_data(**context)
        actions = list(found["actions"])
        names = user_names(action.who for action in actions)
        audience = audience_of(self.request.user)
        rows = [
            (action, names.get(action.who, action.who), _visible_target(action.target, audience))
            for action in actions
        ]
        return {**found, "rows": rows}


def _visible_target(target: str, audience: Audience) -> str:
    """Return a target without conditions on rows, and without the reason of a dead letter.

    Entries of earlier releases contain these reasons.
    """
    if audience.sees_people:
        return target
    if target.startswith("dead letter "):
        return target.partition(":")[0]
    return target.partition(" with ")[0]
