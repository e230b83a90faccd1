"""Logins and TLS of MySQL and MariaDB, on real servers: the error messages for wrong settings."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.db import Error, OperationalError, connection, connections

from cdc.doctor.check import Level, refuse
from cdc.doctor.database import check_database
from cdc.errors import CdcError, Retryable
from cdc.runtime.database import database_problem, retryable_errors
from project.config.databases import database
from project.pages.latest import Latest
from project.stack.sql.server import USER, SqlServer
from tests.support.secured_sql import DATABASE, attacker_in_front_of, expired_in_front_of, running
from tests.support.tls import MISNAMED, certificate

pytestmark = [
    pytest.mark.database,
    pytest.mark.row_locks,
    pytest.mark.django_db(transaction=True),
]
USING = "secured"
SECRET = "not-the-password"
TRUST = f"?ssl-ca={certificate('authority')}"
DISTRUST = f"?ssl-ca={certificate('stranger')}"
CERTIFICATE = r"The certificate of the database at {} is refused \({}\): renew the certificate"
LOGIN = r"The database at {} refuses the login \(Access denied.*\): correct the user and the pass"


@dataclass(frozen=True, slots=True)
class Servers:
    """A server that requires TLS, and the ports of two programs in front of servers."""

    secured: SqlServer
    plain: int
    expired: int

    @property
    def url(self) -> str:
        return self.secured.url(DATABASE)

    def in_the_clear(self) -> str:
        """Return the URL of the test run's database through the attacker, who removes TLS."""
        own = connections["default"].settings_dict
        return f"mysql://{own['USER']}:{own['PASSWORD']}@127.0.0.1:{self.plain}/{own['NAME']}"

    @property
    def address(self) -> str:
        return re.escape(self.secured.address)


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Servers]:
    with django_db_blocker.unblock():
        is_mariadb = bool(getattr(connection, "mysql_is_mariadb", False))
    own = int(connection.settings_dict["PORT"])
    folder = tmp_path_factory.mktemp("sql")
    with (
        running(folder, is_mariadb=is_mariadb) as secured,
        attacker_in_front_of(own) as plain,
        expired_in_front_of(secured.port) as expired,
    ):
        yield Servers(secured, plain, expired)


@contextmanager
def connected(url: str) -> Iterator[None]:
    """Add a database for the block. Django's tests allow it because no setting names it."""
    added = connections["default"].copy(alias=USING)
    added.settings_dict.update(database(url))
    connections[USING] = added
    try:
        yield
    finally:
        added.close()
        del connections[USING]


def cipher() -> str:
    with connections[USING].cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        return str(cursor.fetchone()[1])


def examined() -> str:
    """Return why a daemon does not start or why it retries; `manage.py doctor` says the same."""
    try:
        refuse(check_database(settings.CDC, USING))
    except CdcError as error:
        return str(error)
    return ""


def retried() -> str:
    """Return why a running daemon retries."""
    try:
        with retryable_errors(USING):
            connections[USING].ensure_connection()
    except Retryable as error:
        return str(error)
    return ""


WRONG: dict[str, tuple[Callable[[Servers], str], str]] = {
    "authority": (
        lambda each: each.url + DISTRUST,
        CERTIFICATE.format("{address}", "self.signed certificate in certificate chain"),
    ),
    "host name": (
        lambda each: each.url.replace("127.0.0.1", MISNAMED) + TRUST,
        CERTIFICATE.format(rf"{MISNAMED}:\d+", "it is not valid for this host name"),
    ),
    "expired": (
        lambda each: each.url.replace(str(each.secured.port), str(each.expired)) + TRUST,
        CERTIFICATE.format(r"127.0.0.1:\d+", "certificate has expired"),
    ),
    "password": (
        lambda each: each.url.replace(each.secured.password, SECRET) + TRUST,
        LOGIN.format("{address}"),
    ),
    "user": (
        lambda each: each.url.replace(f"{USER}:", "stranger:") + TRUST,
        LOGIN.format("{address}"),
    ),
    "database": (
        lambda each: each.url.replace(f"/{DATABASE}", "/nothing") + TRUST,
        r"The database at {address} refuses the connection \(Unknown database 'nothing'\): create",
    ),
    "plain client": (
        lambda each: each.url,
        # MariaDB refuses such a client as if its password were wrong.
        r"The database at {address} (requires TLS: add|refuses the login.* or add) .?ssl-ca",
    ),
    "plain client by choice": (
        lambda each: f"{each.url}?ssl_mode=DISABLED",
        r"The database at {address} (requires TLS: add|refuses the login.* or add) .?ssl-ca",
    ),
    "plain server": (
        lambda each: each.in_the_clear() + TRUST,
        r"The database at 127.0.0.1:\d+ does not use TLS: configure its certificate, or remove",
    ),
    "port": (
        lambda each: each.url.replace(str(each.secured.port), "1") + TRUST,
        r"The database at 127.0.0.1:1 is not responding \(Can't connect .*\): check that it is up",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_named_with_its_server(servers: Servers, case: str) -> None:
    url, expected = WRONG[case]
    with connected(url(servers)):
        found = [examined(), retried()]
    for sentence in found:
        assert re.match(expected.replace("{address}", servers.address), sentence), found
        assert "\n" not in sentence
        assert sentence.endswith(".")
        assert SECRET not in sentence
        assert servers.secured.password not in sentence


@pytest.mark.parametrize("query", [TRUST, f"{TRUST}&ssl_mode=VERIFY_CA", "?ssl_mode=REQUIRED"])
def test_right_settings_encrypt_the_connection(servers: Servers, query: str) -> None:
    with connected(servers.url + query):
        found = {check.id: check for check in check_database(settings.CDC, USING)}
        assert cipher()
    assert found["database.reachable"].level is Level.OK
    assert not {"database.login", "database.encryption"} & found.keys()


def test_a_connection_that_is_not_encrypted_although_it_should_be_is_refused(
    servers: Servers,
) -> None:
    """The client itself would continue without encryption."""
    with connected(servers.in_the_clear() + "?ssl_mode=REQUIRED"):
        assert cipher() == ""
        assert examined().startswith(
            "The connection to the database is not encrypted, although DATABASE_URL asks for TLS"
        )
    with connected(servers.in_the_clear()):
        assert "not encrypted" not in examined()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError(1045, "Access denied for user 'a'@'b'"), "refuses the login (Access"),
        (OperationalError(1045, "100%\n {x}"), "refuses the login (100%"),
        (OperationalError(2026, "TLS/SSL error: bad"), "is refused (bad): renew the certificate"),
        (OperationalError(1213, "Deadlock found"), "Database error ((1213, 'Deadlock found'))"),
        (OperationalError(), "Database error (): check that the database is up and migrated."),
        (OperationalError("unable to open database file"), "is not responding (unable to open"),
        (OperationalError(2013, "Lost connection to server at 'x'"), "is not responding (Lost"),
        (OperationalError(2006, "Server has gone away"), "is not responding (Server has gone"),
    ],
)
def test_pages_and_probes_have_the_same_sentence(error: Error, expected: str) -> None:
    def fail() -> None:
        raise error

    assert expected in database_problem(error)
    assert Latest(partial(fail)).get().problem == database_problem(error)
