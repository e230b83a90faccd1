"""The relay's lease: a row that names the relay that may publish, and when this right expires."""

import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from cdc.models import RelayLease
from cdc.runtime import leases
from cdc.runtime.database import DatabaseNow, retryable_errors

_LEASE_NAME = "relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to publish."""

    token: int
    """A new token means that the lease had ended: another relay may have published since."""
    mark: int
    """Every id up to this one is published or will never be used."""


class LeaseRow:
    """The lease in one database; every method raises Retryable on a database error.

    `relay.py` decides when the lease is taken and renewed.
    """

    def __init__(self, using: str) -> None:
        self._using = using
        self._stored_mark = 0
        """The last mark that this object has stored or read."""

    def take_lease(self, owner: str, seconds: float, held: Lease | None = None) -> Lease | None:
        """Take the lease, or renew the lease `held` and store its mark.

        Return None while another relay has the lease. If the stored mark was reset or restored in
        the meantime, `held` is not renewed: the lease is taken again, with the lower mark.
        """
        with retryable_errors(self._using):
            row = self._lease()
            if held is not None:
                # An expired lease is not renewed. A restored row contains an old, expired lease: a
                # relay that renewed this lease would keep its old mark, which is too high for the
                # restored ids.
                ours = row.filter(leases.unexpired(), token=held.token)
                # A new epoch resets the mark, because the ids may restart.
                ours = ours.filter(mark__gte=min(held.mark, self._stored_mark))
                if leases.renew(ours, owner, seconds, mark=held.mark):
                    self._stored_mark = held.mark
                    return held
            taken = leases.take(row, owner, seconds, token=F("token") + 1)
            if not taken and not self._create_lease(owner, seconds):
                return None
            found = row.filter(owner=owner).values_list("token", "mark").first()
            if found is None:
                return None
            self._stored_mark = found[1]
            return Lease(token=found[0], mark=found[1])

    def drop_lease(self, owner: str) -> None:
        """Release the lease, so that a standby need not wait until it expires."""
        with retryable_errors(self._using):
            leases.release(self._lease(), owner)

    def publisher(self) -> str:
        """Return the owner of the lease; empty if no relay has it."""
        with retryable_errors(self._using):
            held = self._lease().filter(leases.unexpired())
            return held.values_list("owner", flat=True).first() or ""

    def _create_lease(self, owner: str, seconds: float) -> bool:
        if self._lease().exists():
            return False
        # Not 1: after a flush, a relay must see that its old token is no longer valid.
        token = time.time_ns() // 1_000_000
        try:
            with transaction.atomic(using=self._using):
                RelayLease.objects.using(self._using).create(
                    name=_LEASE_NAME,
                    owner=owner,
                    token=token,
                    expires_at=DatabaseNow() + timedelta(seconds=seconds),
                )
        except IntegrityError:
            return False
        return True

    def _lease(self) -> QuerySet[RelayLease]:
        return RelayLease.objects.using(self._using).filter(name=_LEASE_NAME)
