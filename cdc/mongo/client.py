"""MongoDB clients, and how their errors are handled."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from bson.son import SON
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured, Rejected, Retryable
from cdc.mongo.plan import Document
from cdc.wire.records import TopicPartition

_TRANSIENT = "TransientTransactionError"
# https://www.mongodb.com/docs/manual/reference/error-codes/
_REFUSING = frozenset({2, 9, 22, 52, 55, 56, 57, 10334, 17280, 17419, 17420})
"""Codes of a command whose document MongoDB can never store."""
_PASSING = frozenset({None, 13, 50, 91, 112, 189, 246, 251, 10107, 11000, 11600, 11602, 13435})
"""Codes of a single write that its document did not cause."""


def connect(settings: CdcSettings) -> MongoClient[Document]:
    """Return a client with timeouts of seconds; it connects on first use."""
    if not settings.mongodb_uri:
        raise Misconfigured(
            "MONGODB_URI is not set: give mongodb://host:port, or run `manage.py up`."
        )
    try:
        return MongoClient(
            settings.mongodb_uri,
            appname=settings.client_name,
            tz_aware=True,
            serverSelectionTimeoutMS=1000,
            connectTimeoutMS=2000,
            socketTimeoutMS=20_000,
            retryWrites=True,
        )
    except (ConfigurationError, ValueError) as error:
        # The URI may hold a password, so it is not repeated.
        raise Misconfigured(f"MONGODB_URI is not valid ({error}): correct it.") from None


def database(client: MongoClient[Document], settings: CdcSettings) -> Database[Document]:
    """Return the database; reads and writes are acknowledged by a majority."""
    return client.get_database(
        settings.mongodb_database,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority", j=True),
    )


def position_id(group: str, source: TopicPartition) -> SON[str, Any]:
    """Return the `_id` of a position; MongoDB compares embedded documents in field order."""
    return SON(group=group, topic=source.topic, partition=source.partition)


@contextmanager
def reaching() -> Iterator[None]:
    """Turn errors of pymongo into Rejected or Retryable."""
    try:
        yield
    except BulkWriteError as error:
        raise _meaning(error) from error
    except (DocumentTooLarge, BSONError, OverflowError, RecursionError) as error:
        raise Rejected(f"MongoDB cannot store the document ({_brief(error)}).") from error
    except OperationFailure as error:
        if error.code in _REFUSING:
            raise Rejected(f"MongoDB refuses the document ({_brief(error)}).") from error
        raise Retryable(f"MongoDB did not complete the command ({_brief(error)}).") from error
    except PyMongoError as error:
        raise Retryable(f"MongoDB is not responding ({_brief(error)}).") from error


def _meaning(error: BulkWriteError) -> Rejected | Retryable:
    """Return the meaning of a failed single write; the document causes most of them."""
    details = error.details.get("writeErrors") or [{}]
    code, message = details[0].get("code"), str(details[0].get("errmsg", error))[:200]
    if error.has_error_label(_TRANSIENT) or code in _PASSING:
        return Retryable(f"MongoDB did not complete a write ({message}).")
    return Rejected(f"MongoDB refuses the document ({message}).")


def _brief(error: BaseException) -> str:
    # After the timeout, the driver's message describes every server that it knows.
    text = str(error).partition(", Timeout: ")[0]
    return f"{type(error).__name__}: {text[:200]}"
