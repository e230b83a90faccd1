"""A program of our own that runs as a child process until it is told to stop."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from project.config.environment import BASE_DIR
from project.stack.child import Child


def manage(command: str, *arguments: str) -> list[str]:
    """Return the command line of one of our commands."""
    return [sys.executable, str(BASE_DIR / "manage.py"), command, *arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A command line and its child process."""

    child: Child
    argv: Sequence[str]
    env: Mapping[str, str]
    pass_fds: Sequence[int] = ()

    def launch(self) -> None:
        """Start it without waiting for it."""
        self.child.start(self.argv, self.env, self.pass_fds)
