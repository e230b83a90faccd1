"""The project's own daemons as child processes."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from project.config.environment import BASE_DIR
from project.stack.child import Child


def manage(command: str, *arguments: str) -> list[str]:
    """Return the command line of a `manage.py` command."""
    return [sys.executable, str(BASE_DIR / "manage.py"), command, *arguments]


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    child: Child
    argv: Sequence[str]
    env: Mapping[str, str]
    pass_fds: Sequence[int] = ()

    def launch(self) -> None:
        """Start the daemon without waiting until it is ready."""
        self.child.start(self.argv, self.env, self.pass_fds)
