"""A MongoDB client, and what its errors mean to a loop."""

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
"""Codes that say of a command that its document can never be held."""
_PASSING = frozenset({None, 13, 50, 91, 112, 189, 246, 251, 10107, 11000, 11600, 11602, 13435})
"""Codes of a single write that are not its document's fault."""


def connect(settings: CdcSettings) -> MongoClient[Document]:
    """Return a client that gives up on a silent server after seconds; it connects when used."""
    if not settings.mongodb_uri:
        raise Misconfigured(
            "MONGODB_URI is not set: give mongodb://host:port, or start a stack by `manage.py up`."
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
    """Return the database as the feed uses it: what is read is committed by a majority."""
    return client.get_database(
        settings.mongodb_database,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority", j=True),
    )


def position_id(group: str, source: TopicPartition) -> SON[str, Any]:
    """Return the `_id` of a position; embedded documents are equal in the same field order only."""
    return SON(group=group, topic=source.topic, partition=source.partition)


@contextmanager
def reaching() -> Iterator[None]:
    """Turn what pymongo raises into what the loop must do."""
    try:
        yield
    except BulkWriteError as error:
        raise _decision(error) from error
    except (DocumentTooLarge, BSONError, OverflowError, RecursionError) as error:
        raise Rejected(f"MongoDB cannot hold the document ({_brief(error)}).") from error
    except OperationFailure as error:
        if error.code in _REFUSING:
            raise Rejected(f"MongoDB refuses the document ({_brief(error)}).") from error
        raise Retryable(f"MongoDB did not do its part ({_brief(error)}).") from error
    except PyMongoError as error:
        raise Retryable(f"MongoDB did not do its part ({_brief(error)}).") from error


def _decision(error: BulkWriteError) -> Rejected | Retryable:
    """Return what an error of a single write means; most of them are the document's fault."""
    details = error.details.get("writeErrors") or [{}]
    code, message = details[0].get("code"), str(details[0].get("errmsg", error))[:200]
    if error.has_error_label(_TRANSIENT) or code in _PASSING:
        return Retryable(f"Another writer met this batch, or MongoDB is busy ({message}).")
    return Rejected(f"MongoDB refuses the document ({message}).")


def _brief(error: BaseException) -> str:
    # Behind its waiting time the driver describes every server that it knows.
    what = str(error).partition(", Timeout: ")[0]
    return f"{type(error).__name__}: {what[:200]}"
