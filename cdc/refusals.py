"""What a page says when the database or `cdc` refuses a write."""

import re
from dataclasses import dataclass

from django.db import DataError, Error, IntegrityError, InterfaceError, connections

from cdc.errors import CdcError, Retryable

REFUSALS = (Error, CdcError)
"""The errors that `refusal_of` explains."""
REFUSED_LOGIN = frozenset({1044, 1045, 1130, 1698, 1820, 1862, 3118, 4151})
"""MySQL's error codes for a refused login."""
_OK, _CONFLICT, _UNAVAILABLE = 200, 409, 503
_FIRST_CLIENT_ERROR, _LAST_CLIENT_ERROR = 2000, 2999
_CONNECTING = re.compile(r"Lost connection to (MySQL )?server at '")
"""The message of a server that accepted a new connection, and did not respond to the login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The reason why nothing was written, for the user."""

    sentence: str
    status: int = _OK
    """The status of the response: 200 for a value that the user can correct, as for other errors of
    a form; 409 if another change locked, saved or deleted the rows; 503 if a service is unavailable
    or the error is unknown."""

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status != _OK


BUSY = Refusal(
    sentence="Nothing was changed, because another change is using the same rows. Try again.",
    status=_CONFLICT,
)
LOST = Refusal(
    sentence="The database closed the connection. Check whether your change was saved, then try "
    "again. If you entered a lot of text, shorten it.",
    status=_UNAVAILABLE,
)
UNAVAILABLE = Refusal(
    sentence="Nothing was changed, because the database is not available. Try again in a moment.",
    status=_UNAVAILABLE,
)
_TOO_LARGE = Refusal(
    sentence="Nothing was changed, because the database cannot store that much. Shorten the text."
)
_CONFLICTING = Refusal(
    sentence="Nothing was changed, because a row was saved or deleted in the meantime. Check the "
    "values, then try again.",
    status=_CONFLICT,
)
_UNSTORABLE = Refusal(
    sentence="Nothing was changed, because the database cannot store one of the values. Correct it."
)
_UNKNOWN = Refusal(
    sentence="Nothing was changed, because the database refused the change. If this happens again, "
    "ask an admin to read the log.",
    status=_UNAVAILABLE,
)
_BY_CODE = {
    # Lock wait timeout, deadlock, and row locked by another transaction.
    **dict.fromkeys((1205, 1213, 3572), BUSY),
    # Connection closed or lost, in a statement or while idle.
    **dict.fromkeys((2006, 2013, 2055, 4031), LOST),
    # Row or packet too large.
    **dict.fromkeys((1118, 1153, 1301, 2020), _TOO_LARGE),
    # A character that the column's character set lacks, or invalid JSON.
    **dict.fromkeys((1267, 1270, 1271, 1366, 3140, 3141, 3157, 3988, 3995, 4025), _UNSTORABLE),
    # Too many connections, shutdown, disk or table full, read-only, statement interrupted.
    **dict.fromkeys(
        (1021, 1028, 1040, 1053, 1114, 1203, 1226, 1290, 1317, 1792, 1836), UNAVAILABLE
    ),
    **dict.fromkeys(REFUSED_LOGIN, UNAVAILABLE),
}
"""Refusals by the error number of MySQL and MariaDB."""
_BY_WORDS = {
    "locked": BUSY,
    "too big": _TOO_LARGE,
    "unable to open": UNAVAILABLE,
    "readonly": UNAVAILABLE,
    "full": UNAVAILABLE,
    "disk": UNAVAILABLE,
}
"""Refusals by words in a message of SQLite, whose errors have no number."""


def refusal_of(error: Exception) -> Refusal:
    """Return the refusal for an error of `cdc` or of the database.

    A database's own message is not shown, because it may contain values and names of tables.
    """
    if isinstance(error, CdcError):
        status = _UNAVAILABLE if isinstance(error, Retryable) else _OK
        return Refusal(sentence=f"Nothing was changed. {error}", status=status)
    code = error_code(error)
    if _CONNECTING.search(str(error)):
        return UNAVAILABLE
    return _by_number(code) or _by_class(error) or (not code and _by_words(error)) or _UNKNOWN


def close_broken_connections() -> None:
    """Close those of this thread's connections that the last error has broken."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def error_code(error: Exception) -> int:
    """Return the error number of MySQL, or 0."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def _by_number(code: int) -> Refusal | None:
    client = _FIRST_CLIENT_ERROR <= code <= _LAST_CLIENT_ERROR
    return _BY_CODE.get(code) or (UNAVAILABLE if client else None)


def _by_class(error: Exception) -> Refusal | None:
    if isinstance(error, IntegrityError):
        return _CONFLICTING
    if isinstance(error, DataError):
        return _UNSTORABLE
    return LOST if isinstance(error, InterfaceError) else None


def _by_words(error: Exception) -> Refusal | None:
    return next((found for words, found in _BY_WORDS.items() if words in str(error)), None)
