"""A signal ends the program, but not the code that stops its processes."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os
from tests.bench.interruption import exit_on_signals
exit_on_signals()
try:
    os.kill(os.getpid(), {number})
finally:
    os.kill(os.getpid(), {number})
    print("stopped")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_does_not_interrupt_the_end(number: signal.Signals) -> None:
    program = PROGRAM.format(number=int(number))
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (128 + number, "stopped\n")
