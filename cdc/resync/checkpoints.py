"""Checkpoints, at which a snapshot or a reconciliation resumes after it was stopped."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from cdc.models import Checkpoint
from cdc.mongo.replica_mark import ReplicaMark
from cdc.outbox.table import current_epoch

State = Mapping[str, Any]
"""JSON values by name. The name `basis` is reserved."""
_OLDEST = timedelta(days=1)


class CheckpointStore:
    """Stores the checkpoint of a task with certain arguments.

    A resumed task relies on its results from before the stop. These may be wrong by now, so an
    outdated checkpoint must be discarded first.
    """

    def __init__(
        self,
        task: str,
        arguments: State,
        *,
        using: str,
        last_run: int | None = None,
        mark: ReplicaMark | None = None,
    ) -> None:
        """`last_run` is the id of the newest finished reconciliation.

        `last_run` and `mark` are None for a snapshot, which does not rely on MongoDB.
        """
        text = json.dumps(arguments, sort_keys=True)
        self._name = f"{task} {hashlib.sha256(text.encode()).hexdigest()[:32]}"
        self._rows = Checkpoint.objects.using(using)
        self._mark = mark
        self._basis = {"epoch": current_epoch(using=using), "last_run": last_run}

    def load(self) -> dict[str, Any] | None:
        """Return the last saved state, or None if there is no checkpoint."""
        found = self._rows.filter(name=self._name).first()
        state = json.loads(found.state) if found else {}
        state.pop("basis", None)
        return state or None

    def save(self, state: State) -> None:
        """Save the state, in the caller's transaction if there is one."""
        # The mark in MongoDB is advanced first. Therefore, it is lower than the saved mark only if
        # MongoDB was restored or replaced.
        basis = {**self._basis, "mark": self._mark.advance() if self._mark else None}
        text = json.dumps({**state, "basis": basis})
        self._rows.update_or_create(name=self._name, defaults={"state": text})

    def remove(self) -> None:
        """Delete the checkpoint; the next run starts from the beginning."""
        self._rows.filter(name=self._name).delete()

    def discard_outdated(self) -> str:
        """Delete the checkpoint if it is outdated; return the reason, or an empty string."""
        found = self._rows.filter(name=self._name).first()
        why = self._outdated(found) if found else ""
        if why:
            self.remove()
        return why

    def _outdated(self, found: Checkpoint) -> str:
        # Earlier releases saved no basis.
        basis = json.loads(found.state).get("basis", self._basis)
        if basis["epoch"] != self._basis["epoch"]:
            return "a new epoch has begun since"
        if basis["last_run"] != self._basis["last_run"]:
            return "another reconciliation has finished since"
        if timezone.now() - found.updated_at > _OLDEST:
            return "it was stopped more than a day ago"
        if self._mark and not self._mark.reached(basis.get("mark") or 0):
            return "MongoDB was restored or replaced since"
        return ""
