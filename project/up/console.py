"""The console output of `up`."""

import sys
import time


class Console:
    """Writes to standard output."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, line: str) -> None:
        """Write a line, prefixed with the seconds since this object was created."""
        self.show(f"{time.monotonic() - self._start:6.1f} s  {line}")

    def show(self, text: str) -> None:
        """Write a text unchanged; a closed terminal is ignored."""
        try:
            sys.stdout.write(f"{text.rstrip()}\n")
            sys.stdout.flush()
        except OSError:
            return
