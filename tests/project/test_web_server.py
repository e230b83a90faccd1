"""The options of the web server."""

import http.client
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from project.config.environment import load_environment
from project.config.logs import logging_config
from project.web_server import options
from tests.support.paths import ROOT
from tests.support.traces import printed
from tests.support.web import Web


def test_invalid_port_is_one_line_and_exit_code_2() -> None:
    command = [sys.executable, "-m", "project.web_server", "--port", "70000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "storyfeed: --port is 70000: choose a port from 1 to 65535.\n"


@pytest.mark.parametrize(
    ("proxies", "trusted"), [("", []), ("10.0.0.0/8, 127.0.0.1", ["10.0.0.0/8", "127.0.0.1"])]
)
def test_only_trusted_proxies_name_the_client(proxies: str, trusted: list[str]) -> None:
    found = options(load_environment({"TRUSTED_PROXIES": proxies}))
    assert found["proxy_headers"] == bool(trusted)
    assert found["forwarded_allow_ips"] == trusted


def test_the_servers_own_lines_have_the_chosen_format() -> None:
    found = options(load_environment({"LOG_FORMAT": "json", "LOG_LEVEL": "warning"}))
    assert found["log_config"] == logging_config(level="warning", form="json")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_last_spans_are_exported_before_the_process_ends(
    number: signal.Signals, tmp_path: Path
) -> None:
    late = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    environment = {**late, "STORYFEED_HOME": str(tmp_path), "DJANGO_SECRET_KEY": "x"}
    with Web(tmp_path / "web.log", environment) as web:
        connection = http.client.HTTPConnection(web.url.removeprefix("http://"), timeout=60)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        assert printed(web.log) == []
        web.process.send_signal(number)
        web.process.wait(60)
        (span,) = printed(web.log)
    assert span["name"] == "GET /healthz"
