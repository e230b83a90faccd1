"""A daemon that ends with an error reports the error as a record in its log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DAEMONS = [("relay_outbox",), ("consume_and_save_to_mongodb", "--instance", "a"), ("run_jobs",)]
CRASH = r"""
import django
django.setup()
from cdc.management.commands.run_jobs import Command
import threading
def crash(*args, **options):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    raise ValueError("two\nlines")
Command.handle = crash
from manage import main
import sys
sys.argv = ["manage.py", "run_jobs"]
main()
"""


ENDED = r"""
import atexit, ctypes, sys, time
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from cdc.management.commands.run_jobs import Command
def work():
    time.sleep(0.2)
    print("the work of a pool")
def end(*args, **options):
    atexit.register(lambda: print("Python's handler"))
    libc = ctypes.CDLL(None)
    libc.on_exit(libc.abort, None)
    ThreadPoolExecutor().submit(work)
    sys.exit({given})
Command.handle = end
from manage import main
sys.argv = ["manage.py", "run_jobs"]
main()
"""
"""A daemon in which a C library has an exit handler that crashes."""


def run(home: Path, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    unset = dict.fromkeys(("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI"), "")
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            **unset,
            "STORYFEED_HOME": str(home),
            "DATABASE_URL": f"sqlite:///{home}/a.sqlite3",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "DJANGO_SECRET_KEY": "for tests only " * 4,
            "LOG_FORMAT": "json",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", DAEMONS, ids=lambda each: each[0])
def test_a_wrong_setting_is_the_last_record_of_the_log(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(tmp_path, "manage.py", *command)
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (2, "")
    last = records[-1]
    assert (last["event"], last["level"], last["exit_code"]) == ("command.failed", "error", 2)
    assert last["error"].startswith("KAFKA_BOOTSTRAP_SERVERS is not set: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("manage.py", "run_jobs"), ("-m", "project.web_server")], ids=lambda each: each[-1]
)
def test_a_setting_that_cannot_be_read_is_a_record_too(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(tmp_path, *command, ALLOWED_HOSTS="*")
    (last,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, last["event"], last["exit_code"]) == (2, "command.failed", 2)
    assert last["error"].startswith("ALLOWED_HOSTS has '*', which allows every name")


@pytest.mark.slow
def test_an_unexpected_error_is_a_record_with_its_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", CRASH)
    in_thread, last = (json.loads(line) for line in done.stderr.splitlines())
    assert (done.returncode, in_thread["event"], last["event"]) == (
        1,
        "command.crashed",
        "command.crashed",
    )
    assert "ZeroDivisionError" in in_thread["traceback"]
    assert "ValueError: two\nlines" in last["traceback"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "code", "errors"), [("", 0, ""), ("3", 3, ""), ("'no work'", 1, "no work\n")]
)
def test_an_exit_handler_of_a_c_library_cannot_crash_a_daemon_that_has_ended(
    given: str, code: int, errors: str, tmp_path: Path
) -> None:
    done = run(tmp_path, "-c", ENDED.format(given=given))
    assert (done.returncode, done.stderr) == (code, errors)
    assert done.stdout.splitlines() == ["the work of a pool", "Python's handler"]
