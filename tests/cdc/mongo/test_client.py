"""Errors of MongoDB: which documents are rejected, and when a batch is applied again."""

from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from cdc.errors import CdcError, Misconfigured, Rejected, Retryable, TooLarge, Unreachable
from cdc.mongo.client import connect, reaching
from tests.support.feed_settings import without_servers


def bulk(code: int, **more: Any) -> BulkWriteError:
    return BulkWriteError({"writeErrors": [{"code": code, "errmsg": "why"}], **more})


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (DocumentTooLarge("17 MB"), Rejected),
        (InvalidDocument("NUL"), Rejected),
        (OverflowError("2**64"), Rejected),
        (OperationFailure("bad value", 2), Rejected),
        (OperationFailure("write conflict", 112), Retryable),
        (AutoReconnect("closed"), Unreachable),
        (ServerSelectionTimeoutError("no primary"), Unreachable),
        (NetworkTimeout("20 s"), Retryable),
        (ExecutionTimeout("operation exceeded time limit", 50), Retryable),
        (OperationFailure("too large", 388), TooLarge),
        (OperationFailure("transaction rolled back because of cache overflow", 112), TooLarge),
        (bulk(388), TooLarge),
        (bulk(2), Rejected),
        (bulk(121), Rejected),
        (bulk(262), Retryable),
        (bulk(290), Retryable),
        (bulk(14031), Retryable),
        (bulk(11000), Retryable),
        (bulk(121, errorLabels=["TransientTransactionError"]), Retryable),
    ],
)
def test_errors_are_named_by_what_to_do(error: Exception, meaning: type[CdcError]) -> None:
    with pytest.raises(meaning) as raised, reaching():
        raise error
    assert type(raised.value) is meaning
    if isinstance(raised.value, Rejected):
        # The log must not contain the message of the server, which may quote the document.
        assert raised.value.without_values.startswith("MongoDB ")
        assert not any(text in raised.value.without_values for text in (str(error), "why"))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("'code': 18, 'codeName': 'X'", "MongoDB refuses the login (not accepted): correct the"),
        ("'code': 11600", "MongoDB is not responding (not accepted.): check that"),
    ],
)
def test_a_login_that_the_pool_was_refused_is_no_outage(answer: str, expected: str) -> None:
    """While the client fills its pool, it stores the error and reports that no server responds."""
    text = f"not accepted., full error: {{'ok': 0.0, {answer}}}, Timeout: 1s, Topology: <secret>"
    with pytest.raises(Unreachable) as raised, reaching():
        raise ServerSelectionTimeoutError(text)
    assert str(raised.value).startswith(expected)
    assert "'ok'" not in str(raised.value)


def test_the_description_of_all_servers_is_left_out() -> None:
    with pytest.raises(Retryable) as raised, reaching():
        raise ServerSelectionTimeoutError("refused, Timeout: 1s, Topology Description: <secret>")
    assert str(raised.value) == (
        "MongoDB is not responding (refused): check that it is running and that MONGODB_URI names "
        "it."
    )


def test_an_address_must_be_set_and_valid() -> None:
    with pytest.raises(Misconfigured, match="MONGODB_URI is not set"):
        connect(without_servers())
    with pytest.raises(Misconfigured, match="MONGODB_URI is not valid") as raised:
        connect(without_servers(mongodb_uri="mongodb://ann:secret@host:port/"))
    assert "secret" not in str(raised.value)
