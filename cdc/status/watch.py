"""Refreshes the status every second until it is stopped."""

import json
import sys
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from cdc.runtime.clock import Clock, SystemClock
from cdc.status.console import status_table
from cdc.status.verdict import Status

_REFRESH_SECONDS = 1.0
_POLL_SECONDS = 0.1


def watch(
    read: Callable[[], Status],
    stopped: Callable[[], bool],
    *,
    as_json: bool,
    clock: Clock | None = None,
) -> None:
    """Show the status until `stopped` returns True.

    With `as_json`, print one JSON object per line. Otherwise, refresh one table in a terminal, or
    print one table after the other if the output is not a terminal.
    """
    clock = clock or SystemClock()
    if as_json:
        _repeat(read, _print_json, stopped, clock)
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        _repeat(read, lambda status: console.print(status_table(status)), stopped, clock)
        return
    with Live(console=console, auto_refresh=False, screen=True) as live:
        _repeat(
            read, lambda status: live.update(status_table(status), refresh=True), stopped, clock
        )


def _print_json(status: Status) -> None:
    sys.stdout.write(f"{json.dumps(status.as_json())}\n")
    sys.stdout.flush()


def _repeat(
    read: Callable[[], Status],
    show: Callable[[Status], None],
    stopped: Callable[[], bool],
    clock: Clock,
) -> None:
    while not stopped():
        show(read())
        due = clock.monotonic() + _REFRESH_SECONDS
        while not stopped() and clock.monotonic() < due:
            clock.sleep(_POLL_SECONDS)
