"""Leases on rows, by the database's clock: only the owner may do the work that a row describes.

A lease is a row with an `owner` and an `expires_at`. Each function is one conditional UPDATE, so
only one of several processes succeeds. Machines' clocks may disagree; only the database's counts.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from cdc.runtime.database import DatabaseNow


def available_to(owner: str) -> Q:
    """Match leases that are free (never taken, released or expired), and the owner's own."""
    return Q(expires_at=None) | Q(expires_at__lte=DatabaseNow()) | Q(owner=owner)


def unexpired() -> Q:
    return Q(expires_at__gt=DatabaseNow())


def take(rows: QuerySet[Any], owner: str, seconds: float, **changes: Any) -> bool:
    """Take an available lease, and apply `changes` to the row; return False if none is."""
    free = rows.filter(available_to(owner))
    return bool(
        free.update(owner=owner, expires_at=DatabaseNow() + timedelta(seconds=seconds), **changes)
    )


def renew(rows: QuerySet[Any], owner: str, seconds: float, **changes: Any) -> bool:
    """Extend the owner's lease, expired or not; return False if another process took it."""
    held = rows.filter(owner=owner)
    return bool(held.update(expires_at=DatabaseNow() + timedelta(seconds=seconds), **changes))


def release(rows: QuerySet[Any], owner: str, **changes: Any) -> bool:
    """Release the owner's lease, so that the next process need not wait until it expires."""
    return bool(rows.filter(owner=owner).update(owner="", expires_at=DatabaseNow(), **changes))
