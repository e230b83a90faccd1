"""The options of the web server."""

import asyncio
import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from project.config.environment import load_environment
from project.config.logs import logging_config
from project.web_server import Server, options
from tests.support.paths import ROOT
from tests.support.traces import printed
from tests.support.web import Web
from users.mail import mail_thread


def test_invalid_port_is_one_line_and_exit_code_2() -> None:
    command = [sys.executable, "-m", "project.web_server", "--port", "70000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "storyfeed: --port is 70000: choose a port from 1 to 65535.\n"


def test_without_proxies_no_client_is_named_by_another() -> None:
    found = options(load_environment({}))
    assert (found["proxy_headers"], found["forwarded_allow_ips"]) == (False, [])


@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        ("10.1.1.1", True),
        ("::ffff:10.1.1.1", True),
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::7", True),
        ("11.1.1.1", False),
        ("::ffff:11.1.1.1", False),
        ("::ffff:127.0.0.2", False),
        ("192.0.3.7", False),
        ("::1", False),
        ("::10.1.1.1", False),
    ],
)
def test_only_trusted_proxies_name_the_client(peer: str, is_trusted: bool) -> None:
    """A socket for IPv4 and IPv6 shows the address of an IPv4 proxy mapped to IPv6."""
    proxies = "10.0.0.0/8, 127.0.0.1, ::ffff:192.0.2.0/120, 2001:db8::/64"
    found = options(load_environment({"TRUSTED_PROXIES": proxies}))
    assert found["proxy_headers"]
    seen: list[Any] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    middleware = ProxyHeadersMiddleware(application, found["forwarded_allow_ips"])
    headers = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.9")]
    scope: Any = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": headers}
    asyncio.run(middleware(scope, None, None))  # type: ignore[arg-type]  # not used
    expected = ("https", "203.0.113.9") if is_trusted else ("http", peer)
    assert (seen[0]["scheme"], seen[0]["client"][0]) == expected


def test_the_servers_own_lines_have_the_chosen_format() -> None:
    found = options(load_environment({"LOG_FORMAT": "json", "LOG_LEVEL": "warning"}))
    assert found["log_config"] == logging_config(level="warning", form="json")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_last_spans_are_exported_before_the_process_ends(
    number: signal.Signals, tmp_path: Path
) -> None:
    late = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    # Python runs this module at its start: on a busy machine, the export may take seconds.
    patient = "from cdc.runtime import tracing\ntracing.FLUSH_SECONDS = 60.0\n"
    (tmp_path / "sitecustomize.py").write_text(patient)
    environment = {
        **late,
        "STORYFEED_HOME": str(tmp_path),
        "DJANGO_SECRET_KEY": "x",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
    }
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


def test_queued_mails_are_sent_before_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shutdown(*_: object) -> None:
        """Do nothing, because no connection is open."""

    def send() -> None:
        time.sleep(0.2)
        sent.append("mail")

    sent: list[str] = []
    monkeypatch.setattr(uvicorn.Server, "shutdown", shutdown)
    monkeypatch.setattr("project.web_server._MAIL_SECONDS", 60.0)
    mail_thread.submit(send)
    asyncio.run(Server(uvicorn.Config("")).shutdown())
    assert sent == ["mail"]
