"""The base class of the stack's servers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from project.stack.child import Child
from project.stack.errors import StackError
from project.stack.ports import LOOPBACK, port_is_free


class Service(ABC):
    """A server on loopback with its data in `folder`.

    `port` may change between two starts; the data are kept. Methods raise `StackError` and print
    nothing.
    """

    name: ClassVar[str]
    ready_seconds: ClassVar[float] = 120.0
    env: ClassVar[Mapping[str, str]] = {}
    """Variables that are added to the environment of the server."""

    def __init__(self, folder: Path, port: int) -> None:
        # A server would resolve a relative path against its own working folder.
        self.folder = folder.absolute()
        self.port = port
        self.child = Child(self.name, self.folder)

    @abstractmethod
    def install(self) -> None:
        """Download what is missing, or check that the program is installed."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether the server responds to requests. An open port is not enough."""

    @abstractmethod
    def _prepare(self) -> None:
        """Initialise the data folder if it is new, and write the configuration."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command line of the server, which runs in `folder`."""

    def launch(self) -> None:
        """Start the process without waiting until it is ready. This is slow if `folder` is new."""
        self.end_leftover()
        self._require_free_ports()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._prepare()
        self.child.start(self._command(), self.env, cwd=self.folder)

    def end_leftover(self) -> None:
        """End the server that a killed run left running in `folder`. This frees the server's port.

        `launch()` does this too. To reuse the port, call this method before you choose `port`.
        """
        if not self.alive:
            self.child.end_leftover()

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the server responds; if it does not, stop it and raise StackError."""
        self.child.wait_ready(self.answers, self.ready_seconds)

    def stop(self, seconds: float = 10.0) -> None:
        """Send SIGTERM, then SIGKILL after `seconds`; does nothing if the server is not running."""
        self.child.stop(seconds)

    def kill(self) -> None:
        self.child.kill()

    @property
    def alive(self) -> bool:
        return self.child.alive

    @property
    def pid(self) -> int | None:
        """The process id, or None if the server is not running."""
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
                    f"Port {port} for {self.name} is in use by another program; "
                    "stop that program or choose another port."
                )
