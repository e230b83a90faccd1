"""What every server of the stack can do."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from project.stack.child import Child
from project.stack.errors import StackError
from project.stack.ports import LOOPBACK, port_is_free


class Service(ABC):
    """A server on loopback whose data live in `folder`.

    `port` may differ from one start to the next; the data stay. Nothing is printed.
    Every method raises `StackError`, with the remedy in its text.
    """

    name: ClassVar[str]
    ready_seconds: ClassVar[float] = 120.0

    def __init__(self, folder: Path, port: int) -> None:
        # The servers resolve relative paths in folders of their own.
        self.folder = folder.absolute()
        self.port = port
        self.child = Child(self.name, self.folder)

    @abstractmethod
    def install(self) -> None:
        """Fetch what is missing; quick when all is there."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does its work now: not just an open port."""

    @abstractmethod
    def _prepare(self) -> None:
        """Fill the data folder the first time, write the configuration."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The program and its arguments."""

    def launch(self) -> None:
        """Start the process without waiting for it; slow only the first time in `folder`."""
        self.end_leftover()
        self._require_free_ports()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._prepare()
        self.child.start(self._command())

    def end_leftover(self) -> None:
        """End the server that a killed run left behind in `folder`, so that its port is free.

        `launch()` does it too; call it before choosing between the old port and another.
        """
        if not self.alive:
            self.child.end_leftover()

    def start(self) -> None:
        """`launch()` and `wait_ready()`."""
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when it answers; when it ends or stays silent it is stopped first."""
        self.child.wait_ready(self.answers, self.ready_seconds)

    def stop(self, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after `seconds`; harmless when it does not run."""
        self.child.stop(seconds)

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()

    @property
    def alive(self) -> bool:
        """Whether its process exists."""
        return self.child.alive

    @property
    def pid(self) -> int | None:
        """Its process id, or None when it does not run."""
        return self.child.pid

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def _ports(self) -> tuple[int, ...]:
        return (self.port,)

    def _require_free_ports(self) -> None:
        for port in self._ports:
            if not port_is_free(port):
                raise StackError(
                    f"Port {port} for {self.name} is taken by another program; "
                    "stop that program, or give another port."
                )
