"""The base class of the local servers."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from project.stack.errors import StackError
from project.stack.ports import free_port, port_is_free
from project.stack.service import Service
from tests.support.paths import ROOT


class Sleeper(Service):
    name = "sleeper"
    ready_seconds = 0.2
    ready = True

    def install(self) -> None: ...

    def answers(self) -> bool:
        return self.ready

    def _prepare(self) -> None: ...

    def _command(self) -> list[str]:
        return ["sleep", "600"]


def test_it_runs_between_start_and_stop(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path / "deep" / "home", free_port())
    sleeper.start()
    assert sleeper.alive
    assert sleeper.pid == sleeper.child.pid
    assert sleeper.address == f"127.0.0.1:{sleeper.port}"
    sleeper.stop()
    assert not sleeper.alive


def test_a_service_that_never_answers_is_stopped(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path, free_port())
    sleeper.ready = False
    with pytest.raises(StackError, match="sleeper did not respond"):
        sleeper.start()
    assert not sleeper.alive


def test_a_port_in_use_is_reported_before_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sleeper = Sleeper(tmp_path, port)
        with pytest.raises(StackError, match=f"Port {port} for sleeper is in use"):
            sleeper.start()
    assert sleeper.child.exit_code is None


def test_a_leftover_that_still_holds_the_port_is_ended_first(tmp_path: Path) -> None:
    port = free_port()
    listen = (
        "import socket, time\n"
        f"server = socket.create_server(('127.0.0.1', {port}))\n"
        "time.sleep(600)\n"
    )
    program = (
        "import sys; from pathlib import Path; from project.stack.child import Child\n"
        "child = Child('sleeper', Path(sys.argv[1]))\n"
        "child.start([sys.executable, '-c', sys.argv[2]])\n"
    )
    # This program exits at once. Its child keeps running, because PATH contains no setpriv.
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), listen],
        env={"PATH": "", "PYTHONPATH": str(ROOT)},
        check=True,
    )
    sleeper = Sleeper(tmp_path, port)
    deadline = time.monotonic() + 60
    while port_is_free(port) and time.monotonic() < deadline:
        time.sleep(0.01)
    sleeper.start()
    assert sleeper.alive
    sleeper.stop()


def test_the_embedded_profile_needs_no_mysqlclient_and_no_django() -> None:
    program = (
        "import sys, project.stack.kafka.broker, project.stack.mongod\n"
        "print(sorted({'MySQLdb', 'django', 'jgo'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
