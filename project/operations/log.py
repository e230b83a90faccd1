"""The operator log: who did what by hand, newest first; rows are added and never changed."""

from typing import Any

from django.views.generic import ListView

from cdc.models import OperatorAction
from cdc.operations import people
from project.operations.access import ReadersMixin


class LogView(ReadersMixin, ListView[OperatorAction]):
    """The log, by pages."""

    template_name = "operations/log.html"
    context_object_name = "actions"
    queryset = OperatorAction.objects.order_by("-id")
    paginate_by = 50

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Name the people of the page, by one query."""
        found = super().get_context_data(**context)
        actions = list(found["actions"])
        names = people({action.who for action in actions})
        rows = [(action, names.get(action.who, action.who)) for action in actions]
        return {**found, "rows": rows}
