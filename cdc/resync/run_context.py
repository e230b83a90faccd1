"""What the process that runs a snapshot or a reconciliation supplies."""

from collections.abc import Callable
from dataclasses import dataclass

from cdc.progress import Advance, Say
from cdc.runtime.loop import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """A clock, a place for messages and progress, and when to stop."""

    clock: Clock
    say: Say
    advance: Advance
    stopped: Callable[[], bool]
