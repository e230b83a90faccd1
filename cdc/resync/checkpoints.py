"""Checkpoints: where a snapshot or a reconciliation goes on after a stop."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cdc.models import Checkpoint

State = Mapping[str, Any]
"""JSON values."""


class CheckpointStore:
    """The checkpoint of one piece of work: the same work with the same arguments finds it again."""

    def __init__(self, work: str, arguments: State, *, using: str) -> None:
        text = json.dumps(arguments, sort_keys=True)
        self._name = f"{work} {hashlib.sha256(text.encode()).hexdigest()[:32]}"
        self._rows = Checkpoint.objects.using(using)

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last; None when nothing was begun."""
        found = self._rows.filter(name=self._name).values_list("state", flat=True).first()
        return None if found is None else json.loads(found)

    def save(self, state: State) -> None:
        """Keep the state, in the caller's transaction if there is one."""
        self._rows.update_or_create(name=self._name, defaults={"state": json.dumps(state)})

    def remove(self) -> None:
        """Forget the work: it is done, or is to begin anew."""
        self._rows.filter(name=self._name).delete()
