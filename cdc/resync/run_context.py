"""What a snapshot or a reconciliation needs from the process that runs it."""

from collections.abc import Callable
from dataclasses import dataclass

from cdc.progress import Advance, Say
from cdc.runtime.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """A clock, outputs for messages and progress, and a stop signal."""

    clock: Clock
    say: Say
    advance: Advance
    stopped: Callable[[], bool]
