"""What an application imports to have its models captured: the feed's public face.

Everything here is documented and stays; the rest of `cdc` is private, but for Django's own places
(`models`, `fields`, `admin`, `middleware`), the settings and errors (`conf`, `errors`), and the
entry points for a project's own commands and pages (`commands`, `operations`, `feed.views`).
"""

from cdc.capture.model import CapturedModel
from cdc.capture.queryset import CapturedQuerySet
from cdc.context import acting_as, current_actor
from cdc.read_your_writes import wait_until_applied
from cdc.registry import Capture, Presentation, register, registry

__all__ = [
    "Capture",
    "CapturedModel",
    "CapturedQuerySet",
    "Presentation",
    "acting_as",
    "current_actor",
    "register",
    "registry",
    "wait_until_applied",
]
