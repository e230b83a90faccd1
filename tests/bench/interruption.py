"""Ends the program on the first SIGINT or SIGTERM, after all processes have been stopped."""

import signal
import sys
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def exit_on_signals() -> None:
    """Raise SystemExit on the first signal, and ignore later ones.

    A second Ctrl-C would interrupt the code that stops the processes.
    """
    for number in _SIGNALS:
        signal.signal(number, _exit)


def _exit(received: int, _: FrameType | None) -> NoReturn:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + received)
