"""What people do to the feed by hand: written down, each once and for good."""

import getpass
import os

from cdc.actor import current_actor
from cdc.models import OperatorAction

_LONGEST = 255


def write_down(what: str, target: str, why: str, *, using: str) -> OperatorAction:
    """Record that the current actor did `what` to `target`; belongs in the deed's transaction."""
    return OperatorAction.objects.using(using).create(
        who=current_actor(), what=what, target=target[:_LONGEST], why=why
    )


def system_user() -> str:
    """Return who runs this command, as an actor: `os:` and the operating system's name."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):
        # Containers run under numbers that no name belongs to.
        return f"os:{os.getuid()}"
