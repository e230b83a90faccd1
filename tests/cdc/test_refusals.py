"""The sentence for an error of the database says whether the change may have been saved."""

import pytest
from django.db import InterfaceError, OperationalError

from cdc.refusals import LOST, UNAVAILABLE, Refusal, refusal_of

_HANDSHAKE = "at 'handshake: reading initial communication packet', system error: 110"


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (OperationalError(2003, "Can't connect to server on '127.0.0.1' (115)"), UNAVAILABLE),
        (OperationalError(2013, f"Lost connection to server {_HANDSHAKE}"), UNAVAILABLE),
        (OperationalError(2055, f"Lost connection to MySQL server {_HANDSHAKE}"), UNAVAILABLE),
        (OperationalError(2013, "Lost connection to server during query"), LOST),
        (OperationalError(2006, "Server has gone away"), LOST),
        (InterfaceError("connection already closed"), LOST),
    ],
    ids=str,
)
def test_only_a_change_that_was_sent_may_have_been_saved(
    error: Exception, refusal: Refusal
) -> None:
    assert refusal_of(error) == refusal
