"""Waits until a saved story has been replicated, for forms that offer this option."""

import threading

from cdc.api import wait_until_applied
from stories.models import Story

SECONDS = 5.0
MAX_WAITING = 8
"""The maximum number of waiting requests in one process; more could block other requests."""
_slots = threading.BoundedSemaphore(MAX_WAITING)


def wait_for_replica(story: Story) -> tuple[bool, str]:
    """Wait up to 5 s until the last save of the story is in MongoDB.

    Return whether the save is in MongoDB, and a message for the user.
    """
    if not _slots.acquire(blocking=False):
        return False, (
            "Saved. Too many people are waiting for MongoDB right now, so this page did not wait. "
            "Your story will be replicated soon."
        )
    try:
        if wait_until_applied(story, SECONDS):
            return True, "Saved and replicated to MongoDB."
    finally:
        _slots.release()
    return False, (
        f"Saved. After {SECONDS:.0f} s, the story was not in MongoDB yet. It will be replicated "
        "later."
    )
