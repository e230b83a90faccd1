"""The operator log: a permanent record of the actions of operators."""

import getpass
import os

from django.contrib.auth import get_user_model

from cdc.context import acting_as, current_actor
from cdc.models import OperatorAction

_LONGEST = 255


def log_action(what: str, target: str, why: str, *, using: str) -> OperatorAction:
    """Log an action of the current actor; call this function in the transaction of the action.

    `what` is a verb, such as `pause`; `target` names the object of the action.
    """
    return OperatorAction.objects.using(using).create(
        who=current_actor(), what=what, target=target[:_LONGEST], why=why
    )


def log_command(what: str, target: str, *, using: str) -> None:
    """Log the action that a command is about to take; the actor is the operating system's user."""
    with acting_as(system_user()):
        log_action(what, target, "", using=using)


def system_user() -> str:
    """Return the operating system's user of this process as an actor: `os:` and the name."""
    try:
        return f"os:{getpass.getuser()}"
    except (KeyError, OSError):
        # In a container, the user id may have no name.
        return f"os:{os.getuid()}"


def people(actors: set[str]) -> dict[str, str]:
    """Return the login names of those actors that are users, as a dictionary keyed by actor."""
    keys = [int(actor) for actor in actors if actor.isdecimal() and actor.isascii()]
    users = get_user_model().objects.in_bulk(keys)
    return {str(key): user.get_username() for key, user in users.items()}
