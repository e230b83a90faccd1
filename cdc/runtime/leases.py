"""Leases on rows: only the owner of a row may do the work that the row describes.

A lease is a row with an `owner` and an `expires_at`. Taking, renewing or releasing a lease is one
conditional UPDATE, so only one of several processes succeeds. All times come from the database's
clock, because the clocks of the machines may differ.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from cdc.runtime.database import DatabaseNow

_CORRECTION_SECONDS = 60.0
"""The number of seconds by which the database's clock may be set back without any effect on leases.
"""


def available_to(owner: str, seconds: float) -> Q:
    """Match leases that are free (never taken, released or expired), and the leases of `owner`.

    A lease whose remaining time is more than a minute longer than `seconds` is free, too. Such a
    lease exists only after the database's clock was set back. If its owner is dead, it would
    otherwise not expire until the clock reaches the old time again.
    """
    now = DatabaseNow()
    impossible = Q(expires_at__gt=now + timedelta(seconds=seconds + _CORRECTION_SECONDS))
    return Q(expires_at=None) | Q(expires_at__lte=now) | impossible | Q(owner=owner)


def unexpired() -> Q:
    return Q(expires_at__gt=DatabaseNow())


def take(rows: QuerySet[Any], owner: str, seconds: float, **changes: Any) -> bool:
    """Take an available lease, and apply `changes` to its row.

    Return False if no lease is available.
    """
    free = rows.filter(available_to(owner, seconds))
    return bool(
        free.update(owner=owner, expires_at=DatabaseNow() + timedelta(seconds=seconds), **changes)
    )


def renew(rows: QuerySet[Any], owner: str, seconds: float, **changes: Any) -> bool:
    """Extend the owner's lease, even if it has expired; return False if another process took it."""
    held = rows.filter(owner=owner)
    return bool(held.update(expires_at=DatabaseNow() + timedelta(seconds=seconds), **changes))


def release(rows: QuerySet[Any], owner: str, **changes: Any) -> bool:
    """Release the owner's lease, so that the next process need not wait until it expires."""
    return bool(rows.filter(owner=owner).update(owner="", expires_at=DatabaseNow(), **changes))
