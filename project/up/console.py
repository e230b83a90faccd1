"""What `up` tells the person at the terminal."""

import sys
import time


class Console:
    """Writes lines to standard output, each with the seconds since this was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, line: str) -> None:
        """Write one line with its time."""
        self.show(f"{time.monotonic() - self._start:6.1f} s  {line}")

    def show(self, text: str) -> None:
        """Write a text as it is; a terminal that went away stops nothing."""
        try:
            sys.stdout.write(f"{text.rstrip()}\n")
            sys.stdout.flush()
        except OSError:
            return
