"""A consumer that Kafka has removed from its group is restarted, unless the test has ended it."""

from pathlib import Path

import pytest

from tests.acceptance.conftest import RunningFeed
from tests.support.processes import REMOVED, Daemon

pytestmark = pytest.mark.slow
NO_NEWS = ("-c", "import sys; sys.exit(1)")


@pytest.fixture
def removed(tmp_path: Path) -> Daemon:
    """Return a process that has ended as a consumer does which Kafka has removed."""
    program = ("-c", f"import sys; print({REMOVED!r}); sys.exit(1)")
    daemon = Daemon(tmp_path / "removed.log", {}, program=program)
    daemon._process.wait(60)
    return daemon


def test_it_is_restarted_while_a_test_waits(removed: Daemon) -> None:
    feed = RunningFeed.__new__(RunningFeed)
    feed.consumer, first = removed, removed.pid
    feed.wait_until(lambda: removed.pid != first, "another process")


def test_it_counts_as_stopped_and_stays_so(removed: Daemon) -> None:
    first = removed.pid
    assert removed.stop() == 0
    removed.tend()
    assert removed.pid == first


def test_a_process_that_fails_otherwise_is_not_restarted(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "failed.log", {}, program=NO_NEWS)
    first = daemon.pid
    daemon._process.wait(60)
    daemon.tend()
    assert daemon.pid == first
    assert daemon.stop() == 1
