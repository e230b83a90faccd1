"""What people do to the feed by hand: written down, each once and for good."""

import getpass
import os

from django.contrib.auth import get_user_model

from cdc.context import acting_as, current_actor
from cdc.models import OperatorAction

_LONGEST = 255


def write_down(what: str, target: str, why: str, *, using: str) -> OperatorAction:
    """Record that the current actor did `what` to `target`; belongs in the deed's transaction."""
    return OperatorAction.objects.using(using).create(
        who=current_actor(), what=what, target=target[:_LONGEST], why=why
    )


def write_down_command(what: str, target: str, *, using: str) -> None:
    """Record what a command is about to do, as the deed of who runs it."""
    with acting_as(system_user()):
        write_down(what, target, "", using=using)


def system_user() -> str:
    """Return who runs this command, as an actor: `os:` and the operating system's name."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):
        # Containers run under numbers that no name belongs to.
        return f"os:{os.getuid()}"


def people(actors: set[str]) -> dict[str, str]:
    """Return the login names of those actors that are users."""
    numbers = [int(actor) for actor in actors if actor.isdecimal() and actor.isascii()]
    users = get_user_model().objects.in_bulk(numbers)
    return {str(number): user.get_username() for number, user in users.items()}
