"""The console output of `up`."""

import sys
import time


class Console:
    """Writes to standard output."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, line: str) -> None:
        """Write a line that begins with the number of seconds since this object was created."""
        self.show(f"{time.monotonic() - self._start:6.1f} s  {line}")

    def show(self, text: str) -> None:
        """Write text. If the terminal is closed, do nothing."""
        try:
            sys.stdout.write(f"{text.rstrip()}\n")
            sys.stdout.flush()
        except OSError:
            return
