"""Waiting until one's own story is in MongoDB, for those who ask for it on a form."""

import threading

from cdc.api import wait_until_applied
from stories.models import Story

SECONDS = 5.0
MOST_AT_ONCE = 8
"""Waiting requests of one process; more would keep others from being served."""
_room = threading.BoundedSemaphore(MOST_AT_ONCE)


def wait_for_copy(story: Story) -> tuple[bool, str]:
    """Return whether MongoDB has the story's last save within 5 s, and a sentence about it."""
    if not _room.acquire(blocking=False):
        return False, (
            "It is saved. So many people wait for the copy at this moment that yours was not "
            "waited for."
        )
    try:
        if wait_until_applied(story, SECONDS):
            return True, "It is saved, and in MongoDB too."
    finally:
        _room.release()
    return False, (
        f"It is saved. After {SECONDS:.0f} s it is not in MongoDB yet; it follows by itself."
    )
