"""The security headers of every response, and the conditions under which TLS is required."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.http import HttpResponse
from django.middleware.security import SecurityMiddleware
from django.test import Client, RequestFactory, override_settings

from cdc.commands import __version__
from project.config.environment import load_environment
from tests.support.paths import ROOT
from tests.support.static_files import plain_static_files
from users.models import User

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


@pytest.fixture(autouse=True)
def static_files() -> Iterator[None]:
    with plain_static_files():
        yield


def policy(answer: Any) -> set[str]:
    return set(answer.headers["Content-Security-Policy"].split("; "))


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/login/", "/admin/", "/nothing-here/", "/stories/"])
def test_every_response_has_the_headers(client: Client, address: str) -> None:
    answer = client.get(address)
    assert policy(answer) == POLICY
    assert answer.headers["Permissions-Policy"].startswith("camera=()")
    assert answer.headers["Cache-Control"] in {
        "private, no-store",
        "max-age=0, no-cache, no-store, must-revalidate, private",
    }
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_admin_page_has_the_policy(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss@people.example", name="Boss"))
    assert policy(client.get("/admin/stories/story/add/")) == POLICY


@pytest.mark.django_db
def test_page_of_another_role_is_forbidden(client: Client) -> None:
    client.force_login(User.objects.create_user("a@people.example", name="A"))
    answer = client.get("/technical_worker/")
    assert answer.status_code == 403
    assert "You don't have access to this page" in answer.content.decode()


@pytest.mark.django_db
def test_server_error_has_its_own_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret")

    client.raise_request_exception = False
    monkeypatch.setattr("project.pages.front_page.FrontPage.dispatch", fail)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "secret" not in answer.content.decode()
    assert policy(answer) == POLICY


@pytest.mark.parametrize(
    ("hosts", "loopback"),
    [
        ("", True),
        ("localhost,127.0.0.1,[::1],news.localhost", True),
        ("news.example", False),
        ("localhost,news.example", False),
        ("evil-localhost", False),
    ],
)
def test_loopback_means_names_of_this_machine(hosts: str, loopback: bool, tmp_path: Path) -> None:
    env = {"ALLOWED_HOSTS": hosts, "STORYFEED_HOME": str(tmp_path)}
    assert load_environment(env).on_loopback is loopback


def test_loopback_needs_no_tls_and_passes_the_deploy_check() -> None:
    assert not settings.SESSION_COOKIE_SECURE
    with override_settings(SECRET_KEY="".join(map(chr, range(40, 110)))):
        call_command("check", deploy=True, fail_level="WARNING")


@pytest.mark.slow
def test_other_names_require_tls_and_pass_the_deploy_check() -> None:
    code = (
        "from django.conf import settings as s; "
        "assert s.SESSION_COOKIE_SECURE and s.CSRF_COOKIE_SECURE and s.SECURE_SSL_REDIRECT; "
        "assert s.SECURE_HSTS_SECONDS == 365 * 24 * 3600 and s.SECURE_HSTS_INCLUDE_SUBDOMAINS; "
        "assert not s.SILENCED_SYSTEM_CHECKS; "
        "import django; from django.core.management import call_command; django.setup(); "
        "call_command('check', deploy=True, fail_level='WARNING')"
    )
    env = {
        **os.environ,
        "ALLOWED_HOSTS": "news.example",
        "DJANGO_SECRET_KEY": "".join(map(chr, range(40, 110))),
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("path", "redirected"),
    [
        *(("/", True), ("/login/", True), ("/metrics/x", True)),
        *(("/healthz", False), ("/readyz", False), ("/metrics", False)),
    ],
)
def test_only_probes_and_metrics_respond_without_tls(path: str, *, redirected: bool) -> None:
    with override_settings(SECURE_SSL_REDIRECT=True):
        middleware = SecurityMiddleware(lambda _: HttpResponse())
    answer = middleware.process_request(RequestFactory().get(path))
    assert (answer is not None) is redirected


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        *("/static/", "/static/cdc/", "/static/../manage.py", "/static/%2e%2e/manage.py"),
        *("/manage.py", "/project/settings.py", "/.git/config"),
    ],
)
def test_neither_a_folder_nor_another_file_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.django_db
def test_a_page_does_not_name_the_version(client: Client) -> None:
    for path in ("/", "/login/", "/stories/", "/nothing-here/"):
        answer = client.get(path)
        assert __version__ not in answer.content.decode()
        assert "Server" not in answer.headers


@pytest.mark.django_db
def test_only_a_logout_deletes_the_session_cookie(client: Client) -> None:
    """A late response to an open page could otherwise delete the cookie of a new session."""
    client.force_login(User.objects.create_user("a@people.example"))
    ended = client.cookies["sessionid"].value
    assert client.post("/logout/").cookies["sessionid"].value == ""

    for path in ("/", "/feed/", "/feed/stream", "/operations/verdict/", "/stories/"):
        client.cookies["sessionid"] = ended
        assert "sessionid" not in client.get(path).cookies, path
        assert client.get("/stories/").status_code == 302, "the session has ended"
