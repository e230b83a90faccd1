"""The test driver: its last line and its exit code."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, Self

import psutil
import pytest
from docker.errors import DockerException

from project.stack.errors import StackError
from project.up.console import Console
from tests.__main__ import UNIT_PARTS, last_line, missing_parts, run, runs, unit_runs
from tests.docs import settings
from tests.support import containers
from tests.support.commands import wait_until
from tests.support.containers import docker_answers
from tests.support.databases import DATABASES
from tests.support.environment import IGNORED_VARIABLES, environment, use
from tests.support.paths import ROOT
from tests.support.runs import LIMIT_SECONDS, Lane, Run, side_by_side
from tests.support.servers import Servers, errors_as_messages


def test_the_last_line_of_a_complete_run() -> None:
    assert last_line({"mysql": 0, "sqlite": 0}, {}, []) == (
        "storyfeed tests: passed. Run: the whole suite on mysql, the database tests on sqlite. "
        "Not run: nothing."
    )


def test_a_failure_and_what_was_not_run_are_named() -> None:
    line = last_line({"mariadb": 1, "sqlite": 0}, {"mysql": "no root"}, [])
    assert "FAILED on mariadb." in line
    assert line.endswith("Not run: mysql (no root).")


def test_what_ran_in_containers_is_named() -> None:
    line = last_line({"mysql": 0}, {}, [], ["kafka", "mongod", "mysql"])
    assert line.endswith("Not run: nothing. In containers: kafka, mongod, mysql.")


@pytest.mark.parametrize(("code", "answers"), [(0, True), (1, False)])
def test_docker_answers_when_its_daemon_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, answers: bool
) -> None:
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert docker_answers() is answers


def test_without_docker_nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not docker_answers()


class FailingContainer:
    """A container that exits before it is ready."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __enter__(self) -> Self:
        raise self._error

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("exited (1)\nits log"),
        TimeoutError("exited (1)"),
        DockerException("exited (1)"),
    ],
)
def test_a_failed_container_is_replaced_by_local_servers(
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    local = ("127.0.0.1:9092", "mongodb://127.0.0.1:27017/")
    monkeypatch.setattr(containers, "docker_answers", lambda: True)
    monkeypatch.setattr(containers, "_kafka", lambda: FailingContainer(error))
    monkeypatch.setattr(containers, "_mysql", lambda: pytest.fail("Docker was used again"))
    monkeypatch.setattr(Servers, "_local_feed", lambda _: nullcontext(local))
    monkeypatch.setattr(Servers, "_local_database", lambda _, name: nullcontext(name.format))

    servers = Servers(tmp_path, Console())
    with servers.feed() as addresses, servers.database("mysql") as url:
        assert (addresses, url("")) == (local, "mysql")
    assert servers.in_containers == []
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(
        "Kafka's container failed to start (exited (1)); using local servers instead"
    )


def test_units_run_in_parts_unless_some_are_named(tmp_path: Path) -> None:
    parts = unit_runs(tmp_path, ["-q"])
    named = [part.split() for part in UNIT_PARTS]
    folders = [folder for part in named for folder in part]
    assert [part.arguments[2:-1] for part in parts] == [
        *named,
        [f"--ignore={folder}" for folder in folders],
    ]
    assert all((ROOT / folder).is_dir() for folder in folders)
    assert len({part.url for part in parts}) == len(parts)
    (one,) = unit_runs(tmp_path, ["-q", "tests/users"])
    assert one.arguments[-2:] == ["-q", "tests/users"]


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
def test_a_run_without_a_database_says_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_root(*_: object) -> NoReturn:
        raise StackError("only root can install it; run `make test DB=sqlite`")

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Servers, "feed", lambda _: nullcontext(("", "")))
    monkeypatch.setattr(Servers, "database", no_root)

    with pytest.raises(StackError, match="run `make test DB=sqlite`"):
        run(tmp_path, [name], ["tests/cdc"], Console())


def test_the_tests_that_a_whole_run_leaves_out_are_named(
    chromium: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.__main__.find_spec", lambda _: None)
    assert missing_parts(["sqlite"]) == {
        "tests/project/stack/sql/test_server.py": "needs all databases",
        "the tests that import mysqlclient": "it is not installed",
    }
    monkeypatch.setattr("tests.__main__.find_spec", lambda _: object())
    assert missing_parts(list(DATABASES)) == {}


def test_a_run_of_some_tests_does_not_claim_the_suite() -> None:
    assert "Run: pytest tests/cdc on sqlite" in last_line({"sqlite": 0}, {}, ["tests/cdc"])


def test_sqlite_alone_says_that_it_needs_no_root() -> None:
    assert last_line({"sqlite": 0}, {}, []).endswith("These tests need no root privileges.")
    assert "no root" not in last_line({"mysql": 0, "sqlite": 0}, {}, [])


def urls(*names: str) -> dict[str, Callable[[str], str]]:
    return {name: f"{name}:///{{}}".format for name in names}


def chosen(names: Sequence[str], *arguments: str) -> list[tuple[str, str]]:
    return [(run.url, " ".join(run.arguments)) for run in runs(urls(*names), arguments)]


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: Path("/usr/bin") / name)


def test_a_whole_run_has_parts(chromium: None) -> None:
    others = "-m not browser and not faults"
    assert chosen(list(DATABASES)) == [
        ("mysql:///acceptance", "tests/acceptance"),
        ("mysql:///cdc", f"tests/cdc {others}"),
        ("mysql:///storyfeed", f"{others} --ignore=tests/cdc --ignore=tests/acceptance"),
        ("mysql:///pages", "tests/browser"),
        ("mysql:///faults", "tests/faults -m faults"),
        ("mariadb:///storyfeed", "-m database"),
        ("sqlite:///storyfeed", "-m database"),
    ]


def marked(mark: str) -> set[str]:
    """Return the folders below `tests` with tests that have this mark."""
    files = (ROOT / "tests").rglob("*.py")
    found = [file for file in files if re.search(rf"mark\.{mark}\b", file.read_text())]
    return {file.relative_to(ROOT / "tests").parts[0] for file in found}


def test_a_part_that_is_a_folder_has_all_tests_with_its_mark() -> None:
    assert marked("browser") == {"browser"}
    assert marked("faults") == {"faults"}


def test_without_all_servers_their_own_tests_are_left_out() -> None:
    left_out = "--ignore=tests/project/stack/sql/test_server.py"
    assert chosen(["sqlite"], "tests/cdc") == [("sqlite:///storyfeed", f"{left_out} tests/cdc")]


def lanes(*sources: str, output: Path | None = None, number: int = 1) -> list[Lane]:
    """Return lanes that run Python programs instead of pytest."""
    queue = deque[Run](ProgramRun(name="mysql", url="", arguments=[each]) for each in sources)
    return [
        Lane(queue=queue, env={}, console=Console(), output=output and output / str(each))
        for each in range(number)
    ]


class ProgramRun(Run):
    def start(self, env: Mapping[str, str], output: Path | None) -> "subprocess.Popen[bytes]":
        with output.open("wb") if output else nullcontext() as file:
            return subprocess.Popen([sys.executable, "-c", self.arguments[0]], stdout=file)


def test_the_worst_code_of_a_database_counts() -> None:
    assert side_by_side(lanes("exit(1)", "exit(0)", "exit(0)", number=2)) == {"mysql": 1}


def test_an_empty_selection_fails_unless_tests_were_named() -> None:
    assert side_by_side(lanes("exit(5)")) == {"mysql": 5}
    (lane,) = lanes("exit(5)")
    lane.queue[0] = replace(lane.queue[0], may_be_empty=True)
    assert side_by_side([lane]) == {"mysql": 0}

    named = runs(urls(*DATABASES), ["tests/cdc"])
    assert [run.may_be_empty for run in named] == [False, True, True]
    assert not any(run.may_be_empty for run in runs(urls(*DATABASES), []))


def test_a_long_run_does_not_delay_the_others(tmp_path: Path) -> None:
    done = tmp_path / "done"
    waits = (
        f"import pathlib, time\nwhile not pathlib.Path({str(done)!r}).exists(): time.sleep(0.01)"
    )
    codes = side_by_side(lanes(waits, "pass", f"open({str(done)!r}, 'w')", number=2))
    assert codes == {"mysql": 0}


def test_a_run_killed_by_a_signal_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    codes = side_by_side(lanes("import os; os.kill(os.getpid(), 9)"))

    assert codes == {"mysql": 9}
    assert "did not finish (exit code -9)" in capsys.readouterr().out


def test_a_run_that_hangs_is_ended(capsys: pytest.CaptureFixture[str]) -> None:
    (lane,) = lanes("import time; time.sleep(600)")
    lane.queue[0] = replace(lane.queue[0], limit_seconds=0)

    assert side_by_side([lane]) == {"mysql": signal.SIGABRT}
    assert f"did not finish (exit code {-signal.SIGABRT})" in capsys.readouterr().out
    assert {run.limit_seconds for run in runs(urls(*DATABASES), [])} == {LIMIT_SECONDS}


@pytest.mark.slow
def test_a_test_that_hangs_ends_its_run(tmp_path: Path) -> None:
    (tmp_path / "test_endless.py").write_text("import time\ndef test_it(): time.sleep(600)\n")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]

    run = subprocess.run(
        [*command, "--rootdir", str(ROOT), "-o", "faulthandler_timeout=10", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 1
    assert "Timeout (0:00:10)!" in run.stderr
    assert "in test_it" in run.stderr


def test_a_file_is_shown_when_its_run_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    side_by_side(lanes("print('one')", "print('two')", output=tmp_path))

    shown = [line for line in capsys.readouterr().out.splitlines() if line in {"one", "two"}]
    assert shown == ["one", "two"]


def test_an_error_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    (endless,) = lanes("import time; time.sleep(600)")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    # Patched only in `tests.support.runs`: threads such as a database client's also call sleep().
    monkeypatch.setattr(
        "tests.support.runs.time", SimpleNamespace(sleep=interrupted, monotonic=time.monotonic)
    )
    with pytest.MonkeyPatch.context() as patch:
        # A shell starts background processes with SIGINT ignored, so the program may not end.
        patch.setattr("tests.support.runs.GRACE_SECONDS", 0.5)
        with pytest.raises(KeyboardInterrupt):
            side_by_side([endless])

    assert endless._process is not None
    assert endless._process.poll() is not None


def test_the_processes_of_a_run_that_does_not_end_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pid"
    (lane,) = lanes(
        "import pathlib, signal, subprocess, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"pathlib.Path({str(file)!r}).write_text(str(child.pid))\n"
        "time.sleep(600)"
    )
    lane.step()
    wait_until(lambda: file.exists() and file.read_text() != "", "the child runs")
    child = psutil.Process(int(file.read_text()))
    monkeypatch.setattr("tests.support.runs.GRACE_SECONDS", 0.1)

    lane.end()

    assert lane._process is not None
    assert lane._process.poll() == -signal.SIGKILL
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "it ends")


def test_the_processes_cache_compiled_code_and_ignore_settings_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored = {"PYTHONDONTWRITEBYTECODE", "KAFKA_TOPIC", "MONGODB_URI_FILE", "GIT_DIR"}
    for name in ignored:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "yes")

    found = environment(tmp_path, KAFKA_BOOTSTRAP_SERVERS="kafka:9092")

    assert not ignored & found.keys()
    assert (found["KEPT"], found["KAFKA_BOOTSTRAP_SERVERS"]) == ("yes", "kafka:9092")


def test_no_setting_of_the_user_reaches_the_tests() -> None:
    documented = re.findall(r"^\| `(\w+)`", settings.settings(), re.MULTILINE)
    assert len(documented) > 20
    assert set(documented) - {"STORYFEED_HOME"} <= set(IGNORED_VARIABLES)


def test_a_measurement_forgets_the_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"KAFKA_TOPIC": "theirs"}
    monkeypatch.setattr(os, "environ", environ)
    use({"KEPT": "yes"})
    assert environ == {"KEPT": "yes"}


def test_a_server_that_cannot_be_started_is_one_line() -> None:
    with pytest.raises(SystemExit, match="storyfeed: needs root"), errors_as_messages():
        raise StackError("needs root")
