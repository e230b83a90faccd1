"""The page `/metrics` of the daemons."""

import http.client
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings

from cdc.commands import daemon_started
from cdc.errors import Misconfigured
from project.metrics import daemons as daemon_metrics
from project.stack.ports import free_port
from tests.project.metrics.samples import samples_of
from tests.support.processes import Daemon

pytestmark = pytest.mark.slow


class Counts:
    def since_start(self) -> dict[str, int]:
        return {"fences": 4, "retries": 0}


@pytest.fixture(scope="module")
def port() -> int:
    """Serve a daemon's metrics until the end of this process. Return the port."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "ENVIRONMENT", SimpleNamespace(metrics_port=port))
        daemon_started.send("relay", counters=Counts())
    return port


def ask(port: int, path: str = "/metrics", host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_daemon_serves_its_own_figures(port: int) -> None:
    code, text = ask(port)
    found = samples_of(text)
    assert code == 200
    assert found["storyfeed_daemon_fences_total"] == {(("daemon", "relay"),): 4.0}
    assert found["storyfeed_daemon_retries_total"] == {(("daemon", "relay"),): 0.0}
    assert found["process_cpu_seconds_total"][()] > 0


def test_daemon_serves_no_figure_of_the_whole_feed(port: int) -> None:
    feed_wide = {
        name
        for name in samples_of(ask(port)[1])
        if name.startswith("storyfeed_") and not name.startswith("storyfeed_daemon_")
    }
    assert feed_wide == {"storyfeed_build_info"}


def test_other_paths_and_names_are_refused(port: int) -> None:
    assert ask(port, "/")[0] == 404
    assert ask(port, host=f"evil.example:{port}")[0] == 403
    assert ask(port, host=f"localhost:{port}")[0] == 200


def test_taken_port_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENT", SimpleNamespace(metrics_port=port))
    with pytest.raises(Misconfigured, match=rf"METRICS_PORT is {port}, which the jobs cannot"):
        daemon_metrics.serve("jobs", Counts())


def test_daemon_with_a_taken_port_exits(port: int, tmp_path: Path) -> None:
    relay = Daemon(tmp_path / "log", {"METRICS_PORT": str(port)}, "relay_outbox")
    try:
        assert relay.wait() == 2, relay.log
    finally:
        relay.kill()
    assert f"METRICS_PORT is {port}, which the relay cannot listen on" in relay.log
    assert "Traceback" not in relay.log
