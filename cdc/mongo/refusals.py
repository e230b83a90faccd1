"""Explains why MongoDB refuses a login, a command or a connection."""

import re

from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

ANSWER, _CODE = ", full error", re.compile(r"'code': (\d+)")
"""The text before the server's answer in the client's error, and the code in that answer."""
LOGIN_REFUSED, _RIGHT_MISSING = frozenset({18, 8000}), 13
_HANDSHAKE = re.compile(
    r"(?:SSL handshake failed: |(?=\S+: \[SSL: ))(\S+): (?:\[.+?\] )?(.+?)(?: \(_ssl\.c|\Z)"
)
_TIMEOUTS = re.compile(r" \(configured timeouts: [^)]*\)")


def access_problem(error: BaseException | None) -> tuple[str, str] | None:
    """Return why MongoDB refuses a login or a command, and the remedy; None for another error."""
    # The rest of the text is the command, with the data in it.
    reason = str(error).partition(ANSWER)[0].partition(" to execute command")[0].rstrip(".")
    code = getattr(error, "code", None)
    if code in LOGIN_REFUSED:
        return _refused_login(reason)
    if code == _RIGHT_MISSING:
        remedy = "grant the role readWrite on the database, or add the login to MONGODB_URI"
        return f"MongoDB refuses a command ({reason})", remedy
    return None


def _refused_login(reason: str) -> tuple[str, str]:
    remedy = "correct the user, the password and authSource in MONGODB_URI"
    return f"MongoDB refuses the login ({reason.rstrip('.')})", remedy


def connection_problem(error: PyMongoError) -> str:
    """Return why the client has no connection, and the remedy, in one sentence."""
    # If a login is refused while the client fills its pool, the client reports it as an outage.
    shown, _, answer = str(error).partition(", Timeout: ")[0].partition(ANSWER)
    if (code := _CODE.search(answer)) and int(code[1]) in LOGIN_REFUSED:
        return f"{': '.join(_refused_login(shown))}."
    text = _TIMEOUTS.sub("", shown)[:300] or type(error).__name__
    if failed := _HANDSHAKE.search(text):
        server, reason = failed[1], failed[2].strip().rstrip(".")
        if (refused := reason.removeprefix("certificate verify failed: ")) != reason:
            return (
                f"MongoDB's certificate is refused ({server}: {refused}): renew the certificate, "
                "or correct tlsCAFile or the host name in MONGODB_URI."
            )
        return (
            f"MongoDB does not complete the TLS handshake ({server}: {reason}): check that the "
            "server uses TLS, or remove tls from MONGODB_URI."
        )
    closed = isinstance(error, ServerSelectionTimeoutError) and "connection closed" in text
    more = ", and add tls=true to MONGODB_URI if it requires TLS" if closed else ""
    return (
        f"MongoDB is not responding ({text}): check that it is running and that MONGODB_URI names "
        f"it{more}."
    )
