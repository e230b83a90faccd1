"""Restarts and drains of real processes."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdc.errors import Misconfigured
from project.stack.child import Child
from project.stack.errors import StackError
from project.up import supervisor as supervisor_module
from project.up.daemon import Daemon
from project.up.supervisor import Supervisor

# A program that appends its name to a file when it receives SIGTERM.
TIDY = """
import pathlib, signal, sys, time
name, log = sys.argv[1:]
def end(*_):
    with open(log, "a") as file:
        file.write(name + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(log + "." + name).touch()
time.sleep(600)
"""


class Stage:
    """A supervisor, the lines that it prints, and programs for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.supervisor = Supervisor(self.lines.append)
        self.ends = folder / "ends"

    def program(self, name: str, code: str) -> Daemon:
        argv = [sys.executable, "-c", code, name, str(self.ends)]
        return Daemon(child=Child(name, self.folder), argv=argv, env={})

    def start(self, name: str, code: str = "import time; time.sleep(600)") -> Child:
        program = self.program(name, code)
        self.supervisor.start(program)
        return program.child

    def start_tidy(self, name: str, drained: Callable[[], bool] = lambda: True) -> Child:
        program = self.program(name, TIDY)
        self.supervisor.start(program, drained)
        ready = Path(f"{self.ends}.{name}")
        while not ready.exists():
            time.sleep(0.01)
        return program.child

    def check_until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.lines
            self.supervisor.check()
            time.sleep(0.01)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    # On a busy machine, a program may need more time to end than in production.
    monkeypatch.setattr(supervisor_module, "STOP_SECONDS", 60.0)
    stage = Stage(tmp_path)
    yield stage
    stage.supervisor.drain()


def test_a_killed_child_is_restarted_with_one_line(stage: Stage) -> None:
    child = stage.start("relay")
    killed = child.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    stage.check_until(lambda: child.pid not in {killed, None})
    assert len(stage.lines) == 1
    assert stage.lines[0].startswith("relay was killed by SIGKILL; restarting in 0.2 s")
    assert str(child.log) in stage.lines[0]


def test_a_running_child_is_left_alone(stage: Stage) -> None:
    child = stage.start("relay")
    before = child.pid
    for _ in range(20):
        stage.supervisor.check()
    assert child.pid == before
    assert stage.lines == []


def test_the_delay_doubles_while_a_child_exits_at_once(stage: Stage) -> None:
    stage.start("relay", "raise SystemExit(1)")
    stage.check_until(lambda: len(stage.lines) == 3)
    delays = [line.partition("restarting in ")[2].partition(" (")[0] for line in stage.lines]
    assert delays == ["0.2 s", "0.4 s", "0.8 s"]


def test_the_delay_is_at_most_ten_seconds(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY", 9.0)
    stage.start("relay", "raise SystemExit(1)")
    stage.supervisor._watched[0].failures = 5
    stage.check_until(lambda: len(stage.lines) == 1)
    assert "restarting in 10 s" in stage.lines[0]


def test_a_long_run_resets_the_delay(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "STEADY_SECONDS", -1.0)
    stage.start("relay", "raise SystemExit(1)")
    stage.check_until(lambda: len(stage.lines) == 2)
    assert all("restarting in 0.2 s" in line for line in stage.lines)


def test_a_misconfigured_child_is_not_restarted(stage: Stage) -> None:
    stage.start("relay", "import sys; sys.stderr.write('KAFKA_TOPIC is bad\\n'); sys.exit(2)")
    with pytest.raises(Misconfigured, match="relay is misconfigured: KAFKA_TOPIC is bad"):
        stage.check_until(lambda: False)


def test_a_failed_launch_is_retried(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    child = stage.start("kafka")
    launch = Daemon.launch
    refusals = iter([True, False])

    def once_refused(program: Daemon) -> None:
        if next(refusals):
            raise StackError("Port 9 for kafka is in use")
        launch(program)

    monkeypatch.setattr(Daemon, "launch", once_refused)
    child.kill()
    stage.check_until(lambda: child.alive)
    assert [line.partition(";")[0] for line in stage.lines] == [
        "kafka was killed by SIGKILL",
        "Port 9 for kafka is in use",
    ]


def test_the_last_started_is_stopped_first(stage: Stage) -> None:
    children = [stage.start_tidy(name) for name in ("kafka", "consumer", "relay", "web")]
    stage.supervisor.drain()
    assert stage.ends.read_text().split() == ["web", "relay", "consumer", "kafka"]
    assert not any(child.alive for child in children)
    assert stage.lines[0] == "web stopped"


def test_a_restart_does_not_change_the_order(stage: Stage) -> None:
    first, _ = stage.start_tidy("kafka"), stage.start_tidy("web")
    ready = Path(f"{stage.ends}.kafka")
    ready.unlink()
    first.kill()
    stage.check_until(ready.exists)
    stage.supervisor.drain()
    assert stage.ends.read_text().split() == ["web", "kafka"]


def test_a_drain_waits_for_unfinished_work(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "DRAIN_SECONDS", 60)
    answers = iter([False, False, True])
    child = stage.start_tidy("consumer", lambda: child.alive and next(answers))
    stage.supervisor.drain()
    assert list(answers) == []


def test_a_drain_does_not_wait_forever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "DRAIN_SECONDS", 0.2)
    child = stage.start_tidy("consumer", lambda: False)
    stage.supervisor.drain()
    assert not child.alive
    assert stage.ends.read_text() == "consumer "


class NeedsRoom(Stage):
    """A stage whose programs cannot be started while `full` is true."""

    full = False

    def program(self, name: str, code: str) -> Daemon:
        stage, daemon = self, super().program(name, code)

        class OnAFullDisk(Daemon):
            def launch(self) -> None:
                if stage.full:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                super().launch()

        return OnAFullDisk(child=daemon.child, argv=daemon.argv, env={})


def test_a_full_disk_stops_nothing_else_and_is_reported_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "LONGEST_DELAY", 0.2)
    monkeypatch.setattr(supervisor_module, "_FULL_BYTES", float("inf"))
    stage = NeedsRoom(tmp_path)
    try:
        kafka, web = stage.start("kafka"), stage.start("web")
        running = web.pid
        stage.full = True
        kafka.kill()
        reported = "kafka cannot be started (No space left on device)"
        stage.check_until(lambda: sum(reported in line for line in stage.lines) > 2)
        assert f"the disk of {tmp_path} is full, so free some space" in stage.lines[-1]
        assert web.pid == running
        stage.full = False
        stage.check_until(lambda: kafka.alive)
    finally:
        stage.supervisor.drain()
