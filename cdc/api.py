"""The public API: what an application imports to capture its models.

The following modules are public too: the modules that Django looks for (`models`, `admin`, `apps`,
`middleware`), the model fields, settings and errors (`fields`, `conf`, `errors`), and the helpers
for a project's own commands and pages (`admin_readers`, `commands`, `feed.detached`, `feed.views`,
`operations`, `pages`, `refusals`, `reports`). A project's tests may also import `testing`.
Everything else in `cdc` is private and may change.
"""

from cdc.capture.model import CapturedModel
from cdc.capture.queryset import CapturedQuerySet
from cdc.context import acting_as, current_actor, traced
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
    "traced",
    "wait_until_applied",
]
