"""A MongoDB that requires TLS and a login: the error messages for wrong settings."""

import re
from collections.abc import Callable, Iterator

import pytest

from cdc.conf import CdcSettings
from cdc.doctor.check import refuse
from cdc.doctor.mongodb import check_mongodb
from cdc.errors import CdcError, Retryable
from cdc.mongo.client import connect
from cdc.mongo.positions import Positions
from tests.support.feed_settings import without_servers
from tests.support.mongodb import SecuredMongod, answered, running, trusting
from tests.support.tls import MISNAMED, tls_server

pytestmark = pytest.mark.services
SECRET = "not-the-password"
LOGIN = "MongoDB refuses the login (Authentication failed): correct the user, the password"
CERTIFICATE = "MongoDB's certificate is refused ({}): renew the certificate, or correct tlsCAFile"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredMongod]:
    server = SecuredMongod(tmp_path_factory.mktemp("secured"))
    with running(server):
        server.add_user("admin", "root")
        yield server


def examined(settings: CdcSettings) -> str:
    """Return why a daemon does not start or why it retries; `manage.py doctor` says the same."""
    try:
        refuse(answered(lambda: list(check_mongodb(settings))))
    except CdcError as error:
        return str(error)
    return ""


def retried(settings: CdcSettings) -> str:
    """Return why a running daemon retries."""
    with connect(settings) as client:
        try:
            answered(Positions(client, settings).all)
        except Retryable as error:
            return str(error)
    return ""


def uri(server: SecuredMongod) -> str:
    """Return a correct URI. Without the replica set's name, MongoDB refuses a wrong URI sooner."""
    return server.uri_of("admin").replace("replicaSet=rs0&", "")


WRONG: dict[str, tuple[Callable[[SecuredMongod], str], str]] = {
    "authority": (
        lambda each: uri(each).replace(trusting("authority"), trusting("stranger")),
        CERTIFICATE.format("{address}: self-signed certificate in certificate chain"),
    ),
    "system's authorities": (
        lambda each: uri(each).replace(trusting("authority"), "tls=true"),
        CERTIFICATE.format("{address}: self-signed certificate in certificate chain"),
    ),
    "host name": (
        lambda each: uri(each).replace("127.0.0.1", MISNAMED),
        CERTIFICATE.format(
            "127.0.0.2:{port}: IP address mismatch, certificate is not valid for '127.0.0.2'"
        ),
    ),
    "password": (lambda each: each.uri_of("admin", SECRET), LOGIN),
    "user": (lambda each: each.uri_of("stranger", SECRET), LOGIN),
    "authSource": (lambda each: f"{each.uri_of('admin', SECRET)}&authSource=other", LOGIN),
    "no login": (lambda each: each.uri, "MongoDB refuses a command (command "),
    "plain client": (
        lambda each: uri(each).replace(trusting("authority"), ""),
        "MongoDB is not responding ({address}: connection closed): check that it is running",
    ),
}


def check(sentences: list[str], expected: str) -> None:
    for sentence in sentences:
        assert sentence.startswith(expected), sentences
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert "MONGODB_URI" in sentence
        assert SECRET not in sentence


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_named_with_its_server(secured: SecuredMongod, case: str) -> None:
    url, expected = WRONG[case]
    settings = without_servers(mongodb_uri=url(secured))
    expected = expected.replace("{address}", secured.address).replace("{port}", str(secured.port))
    check([examined(settings), retried(settings)], expected)


def test_right_settings_are_accepted(secured: SecuredMongod) -> None:
    settings = without_servers(mongodb_uri=secured.uri_of("admin"))
    assert (examined(settings), retried(settings)) == ("", "")


def test_an_expired_certificate_is_named_with_its_server() -> None:
    """The handshake suffices, and a mongod refuses to use such a certificate."""
    with tls_server("expired") as address:
        settings = without_servers(mongodb_uri=f"mongodb://{address}/?{trusting('authority')}")
        found = [examined(settings), retried(settings)]
    check(found, CERTIFICATE.format(f"{address}: certificate has expired"))


def test_a_server_without_tls_is_named(mongodb_uri: str) -> None:
    address = re.findall(r"//([^/]+)/", mongodb_uri)[0]
    settings = without_servers(mongodb_uri=f"mongodb://{address}/?{trusting('authority')}")
    check(
        [examined(settings), retried(settings)],
        f"MongoDB does not complete the TLS handshake ({address}: ",
    )
