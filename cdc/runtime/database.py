"""Helpers for daemons that use a database: the database's clock, and the handling of errors.

If a SQLite file is replaced, an open connection still reads the old file and raises no error.
Daemons therefore close such a connection.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.models.functions import Now

from cdc.errors import Retryable
from cdc.refusals import REFUSED_LOGIN

_FILE = "_cdc_file"
_MISSING_RIGHT = frozenset({1142, 1143, 1227, 1370})
"""MySQL's error codes for a missing privilege."""
_AWAY = ("is not responding ({})", "check that it is up and that DATABASE_URL names it")
_RIGHT = ("refuses a statement ({})", "grant the rights to the user in DATABASE_URL")
_PROBLEMS = {
    **dict.fromkeys((2002, 2003, 2005, 2006, 2013, 2055), _AWAY),
    **dict.fromkeys(_MISSING_RIGHT, _RIGHT),
    1049: (
        "refuses the connection ({})",
        "create the database, or correct its name in DATABASE_URL",
    ),
    3159: ("requires TLS", "add ?ssl-ca=/path/of/the/authority.pem to DATABASE_URL"),
}
"""For each error code of MySQL or its client: what the server does, and the remedy."""
_TLS_FAILED = 2026
_TLS_TEXT = "TLS/SSL error: "
_NO_TLS = "does not support it"
_OTHER_HOST = "Validation of SSL server certificate failed"
_LOGIN_REMEDY = "correct the user and the password in DATABASE_URL, or grant the rights"


class DatabaseNow(Now):
    """The time by the database's clock, always in UTC."""

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)


@contextmanager
def retryable_errors(using: str) -> Iterator[None]:
    """Convert a database error to Retryable, and close the connection, which may be broken.

    Before the block, close the connection of this thread if its SQLite file was replaced.
    """
    drop_replaced_file(using)
    try:
        yield
    except Error as error:
        connections[using].close()
        raise Retryable(database_problem(error, using)) from error


def remember_file(connection: Any, **_: Any) -> None:
    """Store which file a new SQLite connection has opened; a receiver of `connection_created`."""
    if connection.vendor == "sqlite":
        vars(connection)[_FILE] = _identity(connection)


def drop_replaced_file(using: str) -> None:
    """Close the connection if its SQLite file was replaced; raise Retryable if the file is missing.

    A new connection would create the missing file as an empty database.
    """
    connection = connections[using]
    opened = vars(connection).get(_FILE)
    if opened is None or connection.in_atomic_block:
        return
    found = _identity(connection)
    if found is None:
        connection.close()
        raise Retryable(f"{connection.settings_dict['NAME']} is missing: restore the file.")
    if found != opened:
        connection.close()


def _identity(connection: Any) -> tuple[int, int] | None:
    try:
        file = os.stat(connection.settings_dict["NAME"])  # noqa: PTH116 -- may be `:memory:`
    except OSError:
        return None
    return file.st_dev, file.st_ino


@dataclass(frozen=True, slots=True)
class DatabaseProblem:
    """What is wrong with a database, and the remedy; neither has a full stop or a secret."""

    sentence: str
    remedy: str

    @property
    def text(self) -> str:
        """The problem and the remedy, in one sentence."""
        return f"{self.sentence}: {self.remedy}."


def explain(error: BaseException | None, using: str) -> DatabaseProblem:
    """Explain an error of the database or of its client."""
    code, text, server = _code(error), _text(error), _server(using)
    if code in REFUSED_LOGIN:
        return DatabaseProblem(f"{server} refuses the login ({text})", _login_remedy(using))
    known = _AWAY if text.startswith("unable to open") else _PROBLEMS.get(code)
    if known:
        return DatabaseProblem(f"{server} {known[0].format(text)}", known[1])
    if code == _TLS_FAILED:
        return _tls_problem(server, text.removeprefix(_TLS_TEXT))
    return DatabaseProblem(
        f"Database error ({error})", "check that the database is up and migrated"
    )


def database_problem(error: BaseException | None, using: str = DEFAULT_DB_ALIAS) -> str:
    """Return what is wrong with a database and what to do, in one sentence."""
    return explain(error, using).text


def is_denied(error: BaseException | None) -> bool:
    """Return whether the database has refused the login or a right."""
    return _code(error) in REFUSED_LOGIN | _MISSING_RIGHT


def _tls_problem(server: str, reason: str) -> DatabaseProblem:
    if _NO_TLS in reason:
        return DatabaseProblem(
            f"{server} does not use TLS",
            "configure its certificate, or remove ssl-ca and ssl_mode from DATABASE_URL",
        )
    if _OTHER_HOST in reason:
        reason = "it is not valid for this host name"
    return DatabaseProblem(
        f"The certificate of {server[:1].lower()}{server[1:]} is refused ({reason})",
        "renew the certificate, or correct ssl-ca or the host name in DATABASE_URL",
    )


def _login_remedy(using: str) -> str:
    config = connections[using].settings_dict
    if config.get("HOST") and not config.get("OPTIONS", {}).get("ssl"):
        # MariaDB refuses a login without TLS with the same error as a wrong password.
        return f"{_LOGIN_REMEDY}, or add ssl-ca if the server requires TLS"
    return _LOGIN_REMEDY


def _server(using: str) -> str:
    config = connections[using].settings_dict
    host, port = config.get("HOST"), config.get("PORT")
    return f"The database at {host}:{port or 3306}" if host else "The database"


def _code(error: BaseException | None) -> int:
    """Return MySQL's number of an error; 0 if it has none."""
    code = error.args[0] if isinstance(error, Error) and error.args else 0
    return code if isinstance(code, int) else 0


def _text(error: BaseException | None) -> str:
    return str(error.args[-1]) if error is not None and error.args else str(error)
