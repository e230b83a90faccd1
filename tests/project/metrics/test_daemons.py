"""`/metrics` of the daemons."""

import http.client
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings

from cdc.errors import Misconfigured
from cdc.runtime.signals import daemon_started
from project.metrics import daemons as daemon_metrics
from project.pages import feed_state
from project.pages.latest import Latest
from project.stack.ports import free_port
from tests.project.metrics.test_exposition import parsed
from tests.support.processes import Daemon
from tests.support.status import busy_status as status


@pytest.fixture(scope="module")
def port() -> int:
    """The port of a daemon's metrics, served by this process until its end."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "ENVIRONMENT", SimpleNamespace(metrics_port=port))
        daemon_started.send("relay")
    return port


@pytest.fixture(autouse=True)
def known_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_state.feed, "latest", Latest(lambda: status(dead_letters=5)))


def ask(port: int, path: str = "/metrics", host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_feed_and_the_process_are_told(port: int) -> None:
    code, text = ask(port)
    found = {name: samples for name, (_, _, samples) in parsed(text).items()}
    assert code == 200
    assert found["storyfeed_dead_letters"] == {(): 5.0}
    assert found["process_cpu_seconds_total"][()] > 0


def test_others_are_refused(port: int) -> None:
    assert ask(port, "/")[0] == 404
    assert ask(port, host=f"evil.example:{port}")[0] == 403
    assert ask(port, host=f"localhost:{port}")[0] == 200


def test_a_taken_port_is_said(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENT", SimpleNamespace(metrics_port=port))
    with pytest.raises(Misconfigured, match=rf"METRICS_PORT is {port}, which the jobs cannot"):
        daemon_metrics.serve("jobs")


def test_a_daemon_with_a_taken_port_ends(port: int, tmp_path: Path) -> None:
    relay = Daemon(tmp_path / "log", {"METRICS_PORT": str(port)}, "relay_outbox")
    try:
        assert relay.wait() == 2, relay.log
    finally:
        relay.kill()
    assert f"METRICS_PORT is {port}, which the relay cannot listen on" in relay.log
    assert "Traceback" not in relay.log
