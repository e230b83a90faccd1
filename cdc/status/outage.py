"""The message about services that do not respond."""

from collections.abc import Sequence

from django.utils.text import capfirst

OUTAGE_REMEDY = "Run `manage.py doctor` to find the cause."


def outage(
    services: Sequence[str],
    queued: str,
    seconds: float = 0.0,
    *,
    none_lost: bool = False,
    remedy: str = OUTAGE_REMEDY,
) -> str:
    """Return the message about services that do not respond.

    `services` and `queued` are empty if they are not known. The outage has lasted for `seconds` or
    longer. With `none_lost`, the message also says that no change is lost.
    """
    names = " and ".join(services) or "a service"
    verb = "are" if len(services) > 1 else "is"
    lasts = f"unreachable for at least {int(seconds)} s"
    state = lasts if seconds >= 1 else f"{verb} not responding"
    sentences = (f"{capfirst(names)} {state}.", _changes(queued, none_lost), remedy)
    return " ".join(filter(None, sentences))


def _changes(queued: str, none_lost: bool) -> str:
    if not queued:
        return "No saved change is lost." if none_lost else ""
    return f"{queued.capitalize()}{', none lost' if none_lost else ''}."
