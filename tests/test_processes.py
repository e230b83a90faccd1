"""How tests stop processes, and restart the consumers that Kafka removed from their group."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.acceptance.conftest import RunningFeed
from tests.conftest import pytest_sessionfinish
from tests.support import processes
from tests.support.processes import MOST_REMOVALS, REMOVED, Daemon

pytestmark = pytest.mark.slow
FAILING = ("-c", "import sys; sys.exit(1)")
SLOW_START = """
import signal, sys, time
time.sleep(2)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(600)
"""
"""A process that imports for two seconds, and then stops when it is asked to."""


@pytest.fixture
def removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """Yield a process that has ended like a consumer that Kafka has removed."""
    monkeypatch.setattr(processes, "removals", [])
    program = ("-c", f"import sys; print({REMOVED!r}); sys.exit(1)")
    daemon = Daemon(tmp_path / "removed.log", {}, program=program)
    daemon._process.wait(60)
    yield daemon
    daemon.kill()


def test_it_is_restarted_while_a_test_waits(removed: Daemon) -> None:
    feed = RunningFeed.__new__(RunningFeed)
    feed.consumer, first = removed, removed.pid
    feed.wait_until(lambda: removed.pid != first, "another process")
    assert processes.removals


def test_it_counts_as_stopped_and_stays_stopped(removed: Daemon) -> None:
    first = removed.pid
    assert removed.stop() == 0
    removed.tend()
    assert removed.pid == first
    assert len(processes.removals) == 1


def test_a_process_that_is_still_starting_is_stopped_later(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "slow.log", {}, program=("-c", SLOW_START))
    try:
        assert daemon.stop() == 0
    finally:
        daemon.kill()


def test_it_is_not_restarted_after_it_was_killed(removed: Daemon) -> None:
    first = removed.pid
    removed.kill()
    removed.tend()
    assert removed.pid == first


def test_a_process_that_fails_otherwise_is_not_restarted(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "failed.log", {}, program=FAILING)
    first = daemon.pid
    daemon._process.wait(60)
    daemon.tend()
    assert daemon.pid == first
    assert daemon.stop() == 1


@pytest.mark.parametrize(("count", "code"), [(MOST_REMOVALS, 0), (MOST_REMOVALS + 1, 1)])
def test_a_run_with_many_removals_fails(
    monkeypatch: pytest.MonkeyPatch, count: int, code: int
) -> None:
    monkeypatch.setattr(processes, "removals", ["a log"] * count)
    session: Any = SimpleNamespace(exitstatus=0)
    pytest_sessionfinish(session)
    assert session.exitstatus == code
