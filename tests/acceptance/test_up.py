"""`manage.py up` as a real process, in a new home folder."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from project.config.envfile import read_env_file
from project.stack.ports import free_port, port_is_free
from tests.support.paths import ROOT
from tests.support.sqlite import outbox_sequence

pytestmark = pytest.mark.services

CHILDREN = ("kafka", "mongod", "relay", "consumer", "jobs", "web")
# If these were set, `up` would not start its own servers.
GIVEN = ("DATABASE_URL", "DJANGO_SECRET_KEY", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI")
START_SECONDS, STOP_SECONDS = 300.0, 90.0
OTHER_SECONDS = 120.0


class Up:
    """A running `manage.py up`."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.console = home.with_name(f"console-{time.monotonic_ns()}")
        env = {name: value for name, value in os.environ.items() if name not in GIVEN}
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", *arguments],
                cwd=ROOT,
                env={**env, "STORYFEED_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.console.read_text()

    @property
    def address(self) -> str:
        found = re.search(r"ready: open (\S+)", self.said)
        assert found, self.said
        return found[1]

    def wait_ready(self) -> "Up":
        self.wait_for(lambda: "ready: open" in self.said, START_SECONDS)
        return self

    def wait_for(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pid(self, name: str) -> int:
        return int((self.home / "logs" / f"{name}.pid").read_text().split()[0])

    def wait_for_another(self, name: str, killed: int) -> None:
        self.wait_for(lambda: self.pid(name) != killed, OTHER_SECONDS)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def wait_healthy(self) -> None:
        """Wait until `cdc_status` reports a healthy pipeline."""
        self.wait_for(lambda: manage(self.home, "cdc_status").returncode == 0, OTHER_SECONDS)

    def get(self, path: str = "/") -> int:
        return answers(urlsplit(self.address).port or 0, path)


def answers(port: int, path: str) -> int:
    """Return the status code of the response, or 0 if the connection is refused."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "home"


@pytest.fixture
def up(home: Path) -> Iterator[Up]:
    """Yield a running `up`. All its processes are ended after the test."""
    running = Up(home)
    family: list[psutil.Process] = []
    try:
        family = running.wait_ready().family()
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)
        for process in gone(family):
            process.kill()


def gone(family: list[psutil.Process], seconds: float = 0.0) -> list[psutil.Process]:
    """Wait up to `seconds` for processes to end. Return those that still run."""
    _, alive = psutil.wait_procs(family, timeout=seconds)
    return alive


def manage(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if name not in GIVEN}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**env, "STORYFEED_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def three_free_ports() -> int:
    """Return the first of three adjacent free ports."""
    while True:
        first = free_port()
        if port_is_free(first + 1) and port_is_free(first + 2):
            return first


def test_it_starts_everything_in_order_and_stops_cleanly(up: Up, home: Path) -> None:
    steps = ["kafka is up", "topic story-events", "consumer and relay", "web is up", "ready"]
    places = [up.said.index(step) for step in steps]
    assert places == sorted(places)
    assert up.get("/login/") == 200
    assert (home / "env").stat().st_mode & 0o777 == 0o600
    family = up.family()
    assert len(family) == len(CHILDREN)
    assert up.end(signal.SIGTERM) == 0
    assert gone(family) == []
    stops = [up.said.index(f"{name} stopped") for name in ("web", "relay", "consumer", "mongod")]
    assert stops == sorted(stops)
    assert "Traceback" not in up.said


def test_a_second_start_keeps_the_data(home: Path) -> None:
    first = Up(home).wait_ready()
    try:
        chosen = read_env_file(home / "env")
        first.wait_healthy()
    finally:
        assert first.end(signal.SIGINT) == 0
    second = Up(home).wait_ready()
    try:
        assert read_env_file(home / "env") == chosen
        assert "static files collected" not in second.said
        assert "  password " not in second.said
        second.wait_healthy()
    finally:
        assert second.end(signal.SIGINT) == 0


def test_changes_in_transit_are_applied_before_it_exits(home: Path) -> None:
    up = Up(home, "--traffic", "200").wait_ready()
    database = home / "storyfeed.sqlite3"
    before = outbox_sequence(database)
    up.wait_for(lambda: outbox_sequence(database) > before + 50, OTHER_SECONDS)
    assert up.end(signal.SIGTERM) == 0
    again = Up(home, "--no-demo").wait_ready()
    try:
        again.wait_healthy()
    finally:
        again.end(signal.SIGTERM)


def test_each_killed_child_is_restarted(up: Up) -> None:
    for name in CHILDREN:
        killed = up.pid(name)
        os.kill(killed, signal.SIGKILL)
        up.wait_for_another(name, killed)
        assert up.said.count(f"{name} was killed by SIGKILL; restarting in") == 1
        assert up.get("/login/") == 200  # no request is refused while the web process restarts
    up.wait_healthy()


def test_a_second_run_with_the_same_home_or_port_is_refused(up: Up, tmp_path: Path) -> None:
    second = manage(up.home, "up")
    assert second.returncode == 2
    assert f"already running in {up.home} (process {up.process.pid}): stop that" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert second.stdout == ""
    port = str(urlsplit(up.address).port)
    other = manage(tmp_path / "other", "up", "--port", port)
    assert other.returncode == 2
    assert f"Port {port} on 127.0.0.1 is in use by another program: stop that" in other.stderr


def test_a_second_signal_ends_it_immediately(up: Up) -> None:
    family = up.family()
    for child in family:
        if child.pid == up.pid("relay"):
            child.suspend()  # so that the drain takes some time
    up.process.send_signal(signal.SIGTERM)
    up.wait_for(lambda: "web stopped" in up.said, STOP_SECONDS)
    assert up.end(signal.SIGTERM) == 128 + signal.SIGTERM
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.resume()
    assert gone(family, seconds=60) == []


def test_given_servers_are_used_and_none_are_started(
    bootstrap_servers: str, mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "GIVEN", ("DATABASE_URL", "DJANGO_SECRET_KEY"))
    monkeypatch.setenv("KAFKA_TOPIC", f"up-{tmp_path.name}")
    monkeypatch.setenv("CONSUMER_GROUP", f"up-{tmp_path.name}")
    monkeypatch.setenv("MONGODB_DATABASE", "up_given")
    monkeypatch.setenv("METRICS_PORT", str(first := three_free_ports()))
    up = Up(tmp_path / "home", "--no-demo").wait_ready()
    try:
        assert len(up.family()) == 4
        # The ports of the consumer, the relay and the job daemon.
        ports = range(first, first + 3)
        up.wait_for(lambda: {answers(port, "/metrics") for port in ports} == {200}, OTHER_SECONDS)
        assert set(read_env_file(up.home / "env")) == {"DJANGO_SECRET_KEY"}
    finally:
        assert up.end(signal.SIGTERM) == 0


def test_the_home_may_have_any_name(tmp_path: Path) -> None:
    home = tmp_path / "hü#1, %41;x"
    up = Up(home, "--no-demo", "--port", str(free_port()))
    try:
        up.wait_ready()
    finally:
        up.end(signal.SIGINT)
    assert (home / "storyfeed.sqlite3").exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [home.name]
