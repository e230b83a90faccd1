"""Child processes are started and ended, and do not outlive their parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project.stack import child as child_module
from project.stack.child import Child
from project.stack.errors import StackError
from tests.support.paths import ROOT

FOREVER = ("sleep", "600")
SECONDS = 60.0  # enough on a busy machine
IGNORES_SIGTERM = ("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")

# A program that starts a child, prints the child's process id and waits until it is killed.
PARENT = """
import sys, time
from pathlib import Path
from project.stack.child import Child
child = Child("sleeper", Path(sys.argv[1]))
child.start(["/bin/sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    child = Child("server", tmp_path)
    yield child
    child.kill()


COMMAND_LINE = b"/bin/sleep\x00600\x00"


def eventually(condition: Callable[[], bool], seconds: float = SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return met


def exists(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # The process may end between open() and read().
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def killed_parent(folder: Path, path: str) -> int:
    """Start PARENT with a PATH and kill it. Return the process id of its child."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    # The kernel ends the child with its parent only after setpriv has executed the program.
    assert eventually(lambda: Path(f"/proc/{pid}/cmdline").read_bytes() == COMMAND_LINE)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    return pid


def test_a_started_child_lives_until_it_is_stopped(child: Child) -> None:
    child.start(FOREVER)
    pid = child.pid
    assert pid is not None
    assert child.alive
    child.stop()
    assert not child.alive
    assert child.pid is None
    assert not exists(pid)
    assert child.exit_code == -signal.SIGTERM


def test_it_can_be_inspected_and_stopped_before_its_first_start(child: Child) -> None:
    assert not child.alive
    assert child.pid is None
    assert child.exit_code is None
    child.stop()
    child.kill()
    assert child.log_summary() == "no output"


def test_it_can_be_started_again(child: Child) -> None:
    child.start(FOREVER)
    first = child.pid
    child.stop()
    child.start(FOREVER)
    assert child.pid not in {None, first}


def test_a_child_that_ignores_sigterm_is_killed(child: Child) -> None:
    child.start(IGNORES_SIGTERM)
    assert eventually(lambda: child.log_summary() == "ready")
    child.stop(seconds=0.1)
    assert child.exit_code == -signal.SIGKILL


def test_a_suspended_child_can_be_killed(child: Child) -> None:
    child.start(FOREVER)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    assert child.alive
    child.kill()
    assert child.exit_code == -signal.SIGKILL


def test_a_terminals_ctrl_c_does_not_reach_it(child: Child) -> None:
    child.start(FOREVER)
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid


def test_a_second_start_while_it_runs_is_refused(child: Child) -> None:
    child.start(FOREVER)
    with pytest.raises(StackError, match=f"already running as process {child.pid}"):
        child.start(FOREVER)


def test_readiness_is_polled(child: Child) -> None:
    answers = iter([False, False, True])
    child.start(FOREVER)
    child.wait_ready(lambda: next(answers), SECONDS)
    assert child.alive


def test_an_exit_while_starting_is_reported(child: Child) -> None:
    child.start(["sh", "-c", "echo 'no space left'; exit 3"])
    with pytest.raises(StackError, match=r"server exited .*code 3.*no space left.*server\.log"):
        child.wait_ready(lambda: False, SECONDS)


def test_a_child_that_never_answers_is_stopped(child: Child) -> None:
    child.start(FOREVER)
    with pytest.raises(StackError, match=r"did not respond within 0\.05 s"):
        child.wait_ready(lambda: False, 0.05)
    assert not child.alive


def test_a_child_is_stopped_when_the_waiting_is_interrupted(child: Child) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    child.start(FOREVER)
    with pytest.raises(KeyboardInterrupt):
        child.wait_ready(interrupt, SECONDS)
    assert not child.alive


def test_a_missing_program_is_reported(child: Child) -> None:
    child.start(["/nonexistent/server"])
    with pytest.raises(StackError, match="/nonexistent/server"):
        child.wait_ready(lambda: False, SECONDS)


def test_a_missing_program_is_reported_without_setpriv(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "setpriv_prefix", list)
    with pytest.raises(StackError, match=r"/nonexistent/server \(No such file"):
        child.start(["/nonexistent/server"])


def test_the_log_of_an_earlier_run_is_not_quoted(child: Child) -> None:
    for text in ("old ERROR old", "new"):
        child.start(["echo", text])
        assert eventually(lambda: not child.alive)
    assert child.log_summary() == "new"
    assert child.log.read_text() == "old ERROR old\nnew\n"


def test_a_long_log_is_rotated_at_the_next_start(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "LOG_BYTES", 3)
    child.log.write_text("long\n")
    child.start(FOREVER)
    assert child.log.read_text() == ""
    assert child.log.with_suffix(".log.1").read_text() == "long\n"


def test_variables_are_added_to_the_environment(child: Child) -> None:
    child.start(["sh", "-c", "echo $GREETING in $HOME"], env={"GREETING": "hello"})
    assert eventually(lambda: child.log_summary() == f"hello in {os.environ.get('HOME', '')}")


def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    pid = killed_parent(tmp_path, os.environ["PATH"])
    assert eventually(lambda: not exists(pid))


def test_an_orphan_is_ended_by_the_next_start(tmp_path: Path) -> None:
    pid = killed_parent(tmp_path, "/nonexistent")  # this PATH contains no setpriv
    assert exists(pid)
    successor = Child("sleeper", tmp_path)
    successor.start(FOREVER)
    assert not exists(pid)
    successor.kill()


def test_a_child_whose_parent_lives_is_in_use(child: Child, tmp_path: Path) -> None:
    child.start(FOREVER)
    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        Child("server", tmp_path).start(FOREVER)
    assert child.alive


@pytest.mark.parametrize("text", ["", "12", "1 2 3 x", "4194304 1 1 1"])
def test_an_old_or_broken_pid_file_is_ignored(child: Child, tmp_path: Path, text: str) -> None:
    (tmp_path / "server.pid").write_text(text)
    child.start(FOREVER)
    assert child.alive


def test_an_unrelated_process_with_the_same_id_is_left_alone(child: Child, tmp_path: Path) -> None:
    unrelated = subprocess.Popen(FOREVER)
    (tmp_path / "server.pid").write_text(f"{unrelated.pid} 1 1 1")
    child.start(FOREVER)
    assert unrelated.poll() is None
    unrelated.kill()
    unrelated.wait()


def test_no_process_is_left_if_its_files_cannot_be_written(child: Child, tmp_path: Path) -> None:
    blocked = tmp_path / "server.pid-unfinished"
    blocked.mkdir()
    with pytest.raises(OSError, match="directory"):
        child.start(FOREVER)
    assert not child.alive
    blocked.rmdir()
    child.start(FOREVER)
    assert child.alive
