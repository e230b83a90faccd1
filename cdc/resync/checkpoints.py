"""Checkpoints, at which a snapshot or a reconciliation resumes after it was stopped."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cdc.models import Checkpoint

State = Mapping[str, Any]
"""JSON values by name."""


class CheckpointStore:
    """Stores the checkpoint of a task with certain arguments."""

    def __init__(self, task: str, arguments: State, *, using: str) -> None:
        text = json.dumps(arguments, sort_keys=True)
        self._name = f"{task} {hashlib.sha256(text.encode()).hexdigest()[:32]}"
        self._rows = Checkpoint.objects.using(using)

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None if there is no checkpoint."""
        found = self._rows.filter(name=self._name).values_list("state", flat=True).first()
        return None if found is None else json.loads(found)

    def save(self, state: State) -> None:
        """Save the state, in the caller's transaction if there is one."""
        self._rows.update_or_create(name=self._name, defaults={"state": json.dumps(state)})

    def remove(self) -> None:
        """Delete the checkpoint; the next run starts from the beginning."""
        self._rows.filter(name=self._name).delete()
