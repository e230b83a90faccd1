"""Whether a reconciliation that was stopped may be resumed at its checkpoint."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from django.db.models import Max

from cdc.models import ReconcileRun
from cdc.outbox.table import current_epoch

_LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The circumstances in which a comparison began.

    A resumed comparison reports what it found before it was stopped. Its result would be wrong if
    these rows have been repaired since, or have been found to differ.
    """

    began: float
    """In seconds since 1970."""
    epoch: int | None
    last_run: int | None
    """The id of the newest finished reconciliation."""

    @classmethod
    def at(cls, began: float, *, using: str) -> Self:
        last_run = ReconcileRun.objects.using(using).aggregate(value=Max("id"))["value"]
        return cls(began=began, epoch=current_epoch(using=using), last_run=last_run)

    @classmethod
    def of(cls, saved: dict[str, Any]) -> "Basis | None":
        """Return the basis in a checkpoint; None if an earlier release saved the checkpoint."""
        return cls(**saved["basis"]) if "basis" in saved else None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def outdates(self, earlier: "Basis | None") -> str:
        """Return why a comparison with the basis `earlier` may not be resumed; empty if it may."""
        if earlier is None:
            return "an earlier release began it"
        if earlier.epoch != self.epoch:
            return "a new epoch has begun since"
        if earlier.last_run != self.last_run:
            return "another reconciliation has finished since"
        if self.began - earlier.began > _LONGEST_SECONDS:
            return "it began more than a day ago"
        return ""
