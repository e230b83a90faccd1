"""How the tests with fault points find the process that a fault ended."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.faults.crew import Crew, Member

pytestmark = pytest.mark.slow
PROGRAM = ("-c", "import time; time.sleep(600)")


class LateVictim(Member):
    """A process that a fault kills just after it was found alive."""

    def struck(self) -> bool:
        found = super().struck()
        if not found and self.disarm():
            os.kill(self.daemon.pid, signal.SIGKILL)
            time.sleep(0.2)
        return found


def test_a_process_that_is_killed_at_any_moment_is_found(tmp_path: Path) -> None:
    crew = Crew.__new__(Crew)
    crew.consumers, crew.ended, crew.crashed = [], [], []
    crew._tending = threading.Lock()
    crew.relays = [LateVictim("a", tmp_path, {}, program=PROGRAM)]

    try:
        assert crew.strike(crew.relays, "relay.read:kill", lambda: None) is crew.relays[0]
        assert crew.relays[0].daemon.exit_code == -signal.SIGKILL

        crew.tend()
        assert crew.ended == [("a", -signal.SIGKILL)]
        assert crew.relays[0].daemon.alive()
    finally:
        crew.kill()
