"""nginx with the configuration file that the project ships, on free ports of this machine."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from project.stack.cache import build_once, cache_folder
from project.stack.ports import free_port
from tests.support.commands import manage
from tests.support.paths import ROOT
from tests.support.web import Web

PRODUCTION = {
    "ALLOWED_HOSTS": "localhost,stories.example",
    "TRUSTED_PROXIES": "127.0.0.1",
    "DJANGO_DEBUG": "off",
}
"""The settings of a web process behind the proxy. Not all hosts are loopback names."""
SHIPPED = ROOT / "compose" / "nginx" / "storyfeed.conf"
SECONDS = 60.0
_MAIN = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/storyfeed.conf;
}}
"""


def program() -> str:
    """Return nginx, which is unpacked from Debian's package if it is not installed.

    Installing the package would start a server on port 80.
    """
    installed = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if installed:
        return installed
    folder = cache_folder() / "nginx"
    build_once(folder, _unpack)
    return str(folder / "usr/sbin/nginx")


def _unpack(folder: Path) -> None:
    download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "nginx"]
    if subprocess.run(download, cwd=folder, check=False, capture_output=True).returncode != 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(download, cwd=folder, check=True)
    (package,) = folder.glob("nginx_*.deb")
    subprocess.run(["dpkg", "-x", package, folder], check=True)
    package.unlink()


@contextmanager
def behind_nginx(environment: dict[str, str], folder: Path) -> Iterator["Nginx"]:
    """Run nginx in front of a web process with production settings.

    Skip the test if nginx is missing and only root could download it.
    """
    try:
        program()
    except (OSError, subprocess.CalledProcessError) as error:
        if os.geteuid() == 0:
            raise
        pytest.skip(f"nginx is not installed, and cannot be downloaded: {error}")
    settings = {**environment, **PRODUCTION}
    done = manage(settings, "collectstatic", "--noinput")
    assert done.returncode == 0, done.stderr
    with (
        Web(folder / "web.log", settings, debug=False, patient=True) as web,
        Nginx(folder / "nginx", web.url) as nginx,
    ):
        yield nginx


class Nginx:
    """A running nginx. `url` is its address with TLS, and `plain_url` its address without TLS."""

    def __init__(self, folder: Path, upstream: str, *, host: str = "localhost") -> None:
        self.folder, self.host = folder, host
        self._upstream = upstream.removeprefix("http://")
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://{host}:{self.port}"
        self.plain_url = f"http://{host}:{self.plain_port}"
        self.certificate = folder / "fullchain.pem"

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        self._make_certificate()
        self._configure()
        with (self.folder / "output.log").open("wb") as output:
            self.process = subprocess.Popen(
                [program(), "-p", self.folder, "-c", self.folder / "nginx.conf"],
                stdout=output,
                stderr=output,
            )
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS)

    def _make_certificate(self) -> None:
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(self.folder / "privkey.pem")]
        names = ["-subj", f"/CN={self.host}", "-addext", f"subjectAltName=DNS:{self.host}"]
        subprocess.run(
            ["openssl", "req", "-x509", "-days", "2", *key, *names, "-out", self.certificate],
            check=True,
            capture_output=True,
        )

    def _configure(self) -> None:
        """Write the shipped file with the ports, names and paths of this test."""
        text = SHIPPED.read_text()
        for shipped, ours in {
            "server 127.0.0.1:8000;": f"server {self._upstream};",
            "listen 80;": f"listen {self.plain_port};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen {self.port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "https://$host$request_uri": f"https://$host:{self.port}$request_uri",
            "stories.example": self.host,
            "/etc/ssl/storyfeed": str(self.folder),
        }.items():
            assert shipped in text, shipped
            text = text.replace(shipped, ours)
        (self.folder / "storyfeed.conf").write_text(text)
        main = _MAIN.format(folder=self.folder)
        (self.folder / "nginx.conf").write_text(main)

    def _wait(self) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                log = (self.folder / "error.log", self.folder / "output.log")
                said = "".join(file.read_text() for file in log if file.exists())
                assert self.process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.02)
            else:
                return
