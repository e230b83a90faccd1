"""The stop after a signal, tested with real processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys, time
from cdc.runtime import stop as module
# Only the thread that watches for the signals ends the process, however slow the machine is.
module._LAST_SECONDS = 60.0
with module.Stop(grace={grace}) as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    print("stopping", flush=True)
    while {stubborn}:
        time.sleep(0.01)
print("drained", flush=True)
"""


def start(*, stubborn: bool, grace: float = 60.0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(stubborn=stubborn, grace=grace)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_loop_finish(number: signal.Signals) -> None:
    process = start(stubborn=False)

    process.send_signal(number)
    output, _ = process.communicate(timeout=60)

    assert output == "stopping\ndrained\n"
    assert process.returncode == 0


def test_a_loop_that_hangs_is_ended_with_0_when_its_grace_is_over() -> None:
    process = start(stubborn=True, grace=1)
    began = time.monotonic()

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)

    assert time.monotonic() - began >= 0.9
    assert "drained" not in output
    assert process.returncode == 0


LOCKED = """
import ctypes, time
from cdc.runtime.stop import Stop
with Stop(grace=10) as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    ctypes.PyDLL(None).sleep(600)
"""
"""A call of a library that does not return, and that holds Python's global lock.

The call begins before the grace period is over.
"""


def test_a_call_that_holds_the_global_lock_is_ended_with_its_stack() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LOCKED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert 'File "<string>", line 8 in <module>' in errors


FAILED = """
import logging, time
from cdc.errors import Fatal
from cdc.runtime.stop import Stop
handler = logging.StreamHandler()
handler.setFormatter(logging.Formatter("%(message)s %(error)s", defaults={{"error": ""}}))
logging.getLogger().addHandler(handler)
with Stop(grace=0.1) as stop:
    try:
        with stop.bounding_errors():
            raise {error}("Kafka removed this consumer")
    finally:
        time.sleep(600)
"""
"""A process that fails, and then waits for a client that cannot be closed."""


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        ("Fatal", "command.failed Kafka removed this consumer\n"),
        ("RuntimeError", "RuntimeError: Kafka removed this consumer\n"),
    ],
)
def test_a_failed_process_ends_although_its_client_cannot_be_closed(
    error: str, logged: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", FAILED.format(error=error)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert log.endswith(logged)


def test_a_second_signal_ends_the_process_at_once() -> None:
    process = start(stubborn=True)

    process.send_signal(signal.SIGTERM)
    # The kernel merges two signals if the process has not received the first one.
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
