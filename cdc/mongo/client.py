"""Creates MongoDB clients and converts their errors."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bson.errors import BSONError
from bson.son import SON
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from cdc.conf import CdcSettings
from cdc.errors import Misconfigured, Rejected, Retryable, TooLarge, Unreachable
from cdc.mongo.conflicts import conflict_of
from cdc.mongo.plan import Document
from cdc.mongo.refusals import ANSWER, access_problem, connection_problem
from cdc.wire.records import TopicPartition

_TRANSIENT = "TransientTransactionError"
# https://www.mongodb.com/docs/manual/reference/error-codes/
_REFUSING = frozenset({2, 9, 15, 22, 52, 55, 56, 57, 10334, 17280, 17419, 17420})
"""Error codes for documents that MongoDB can never store."""
_PASSING = frozenset(
    {
        *(None, 1, 6, 7, 8, 13, 24, 50, 63, 64, 89, 91, 112, 133, 134, 150, 189, 225, 239, 246),
        *(249, 251, 262, 263, 267, 290, 365, 9001, 10058, 10107, 11000, 11600, 11602, 13388, 13435),
        *(13436, 14031),
    }
)
"""Error codes of single writes that may succeed later, because their documents are valid."""
_TOO_LARGE = frozenset({257, 292, 388})
"""Error codes of transactions that are too large for the cache, a sort or the oplog."""
_CACHE_IS_FULL = ("cache overflow", "cache full", "will not fit in the storage engine cache")
"""Parts of WiredTiger's error texts for a transaction that is too large for the cache."""
_WRITES = WriteConcern("majority", j=True)
_STANDALONE = (
    "MONGODB_URI points to a standalone mongod, which has no transactions: start it with --replSet "
    "and initiate the replica set."
)
_OPTIONS: Mapping[str, Any] = {
    "tz_aware": True,
    # Another program may have written a date after the year 9999, or invalid UTF-8. Neither must
    # raise an error.
    "datetime_conversion": "DATETIME_AUTO",
    "unicode_decode_error_handler": "replace",
    "serverSelectionTimeoutMS": 1000,
    "connectTimeoutMS": 2000,
    "socketTimeoutMS": 20_000,
    "timeoutMS": None,
    "retryReads": True,
    "retryWrites": True,
    "w": "majority",
    "journal": True,
    "fsync": False,
    "wTimeoutMS": 0,
    "readConcernLevel": "majority",
    "readPreference": "primary",
    "readPreferenceTags": "",
    "maxStalenessSeconds": -1,
}
"""Options that override the options in the URI, because the delivery guarantees depend on them."""


def connect(settings: CdcSettings) -> MongoClient[Document]:
    """Return a client, which connects in the background and has timeouts of at most 20 seconds.

    Raise Misconfigured if the URI is missing or invalid.
    """
    if not settings.mongodb_uri:
        raise Misconfigured(
            "MONGODB_URI is not set: set it to mongodb://host:port, or run `manage.py up`."
        )
    try:
        # A client would ignore an unknown or invalid option, such as a misspelt `tls`.
        parse_uri(settings.mongodb_uri, warn=False)
        return MongoClient(
            settings.mongodb_uri,
            appname=settings.client_name,
            **_OPTIONS,
        )
    except (ConfigurationError, ValueError, LookupError, OSError) as error:
        # The URI may contain a password, so the error does not contain the URI.
        raise Misconfigured(f"MONGODB_URI is not valid ({error}): correct it.") from None


def database(client: MongoClient[Document], settings: CdcSettings) -> Database[Document]:
    """Return the database with read and write concern `majority`."""
    return client.get_database(
        settings.mongodb_database,
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=_WRITES,
    )


def transaction(session: ClientSession) -> AbstractContextManager[Any]:
    """Start a transaction with read concern `snapshot` and write concern `majority`."""
    return session.start_transaction(
        read_concern=ReadConcern("snapshot"),
        write_concern=_WRITES,
        read_preference=ReadPreference.PRIMARY,
    )


def require_transactions(client: MongoClient[Document], uri: str) -> None:
    """Raise Misconfigured if the URI leads to a server that cannot run transactions.

    Raise Retryable if the replica set has no primary yet.
    """
    try:
        hello = server_state(client)
    except Unreachable:
        _ask_each_server(uri)
        raise
    if hello.get("msg") == "isdbgrid" or (hello.get("isWritablePrimary") and hello.get("setName")):
        return
    if "primary" in hello:
        raise Misconfigured(
            f"MONGODB_URI connects directly to {hello['me']}, which is not the primary: remove "
            "directConnection and set replicaSet."
        )
    if "setName" not in hello and not hello.get("isreplicaset"):
        raise Misconfigured(_STANDALONE)
    raise Retryable("MongoDB has no primary yet.")


def _ask_each_server(uri: str) -> None:
    """Raise an error if a server responds and shows why the client does not find a primary.

    A client ignores servers that do not belong to the replica set in the URI.
    """
    parsed = parse_uri(uri)
    wanted = parsed["options"].get("replicaSet")
    # A login would fail without the other options in the URI, and `hello` needs no login.
    encryption = {
        name: value
        for name, value in parsed["options"].items()
        if name.lower().startswith(("tls", "ssl"))
    }
    for host, port in parsed["nodelist"] if wanted else ():
        with MongoClient[Document](
            host, port, directConnection=True, serverSelectionTimeoutMS=1000, **encryption
        ) as server:
            try:
                hello = server.admin.command("hello")
            except PyMongoError:
                continue
        _explain(f"{host}:{port}", hello, wanted)


def _explain(address: str, hello: Document, wanted: str) -> None:
    name = hello.get("setName")
    if hello.get("msg") == "isdbgrid":
        raise Misconfigured(
            f"MONGODB_URI has replicaSet={wanted}, but {address} is a mongos: remove replicaSet."
        )
    if name is None and not hello.get("isreplicaset"):
        raise Misconfigured(_STANDALONE)
    if name not in {None, wanted}:
        raise Misconfigured(
            f"MONGODB_URI has replicaSet={wanted}, but {address} belongs to the replica set "
            f"{name}: correct replicaSet."
        )
    if not hello.get("isWritablePrimary"):
        raise Unreachable(
            f"MongoDB's replica set {wanted} has no primary: initiate it, or start its members "
            "until a majority is running."
        )


def require_plain_collections(db: Database[Document], names: Iterable[str]) -> None:
    """Raise Misconfigured for a collection that the replica cannot use.

    Views and time series do not support the replica's writes, and capped collections do not
    support snapshot reads. A collation may treat two different text keys as equal.
    """
    for found in db.list_collections(filter={"name": {"$in": list(names)}}):
        options, kind = found.get("options", {}), found.get("type", "collection")
        odd = next((name for name in ("capped", "collation") if options.get(name)), "")
        if kind != "collection" or odd:
            what = {"collation": "has a collation"}.get(odd, f"is of the type {odd or kind}")
            raise Misconfigured(
                f"The MongoDB collection {found['name']} {what}, so the replica cannot use this "
                "collection: rename or drop the collection, then restart the consumer, which "
                "creates a normal one."
            )


def server_state(client: MongoClient[Document]) -> Document:
    """Return the answer to `hello`; raise Misconfigured or Retryable.

    The answer comes from the primary, or from the server to which the URI connects directly.
    """
    with reaching():
        try:
            return client.admin.command("hello")
        except ConfigurationError as error:
            reason = _brief(error)
            raise Misconfigured(f"MONGODB_URI is not valid ({reason}): correct it.") from None


def position_id(group: str, source: TopicPartition) -> SON[str, Any]:
    """Return the `_id` of a position; the order of its fields is significant in MongoDB."""
    return SON(group=group, topic=source.topic, partition=source.partition)


@contextmanager
def reaching() -> Iterator[None]:
    """Convert pymongo's errors to Rejected or Retryable."""
    try:
        yield
    except BulkWriteError as error:
        raise _meaning(error) from error
    except (DocumentTooLarge, BSONError, OverflowError, RecursionError) as error:
        raise _rejected("cannot store", _brief(error), type(error).__name__) from error
    except OperationFailure as error:
        if problem := access_problem(error):
            raise Retryable(f"{': '.join(problem)}.") from error
        if error.code in _REFUSING:
            raise _rejected("refuses", _brief(error), f"code {error.code}") from error
        kind = TooLarge if _is_too_large(error.code, str(error)) else Retryable
        raise kind(f"MongoDB did not complete the command ({_brief(error)}).") from error
    except PyMongoError as error:
        slow = isinstance(error, NetworkTimeout) or not isinstance(error, ConnectionFailure)
        kind = Retryable if slow else Unreachable
        raise kind(connection_problem(error)) from error


def _meaning(error: BulkWriteError) -> Rejected | Retryable:
    """Convert the error of a single write; an unknown code means that the document is invalid."""
    conflict = conflict_of(error)
    if conflict is not None:
        return conflict
    details = error.details.get("writeErrors") or [{}]
    code, message = (
        details[0].get("code"),
        str(details[0].get("errmsg", error)).partition(ANSWER)[0][:200],
    )
    if _is_too_large(code, message):
        return TooLarge(f"MongoDB did not complete a write ({message}).")
    if error.has_error_label(_TRANSIENT) or code in _PASSING:
        return Retryable(f"MongoDB did not complete a write ({message}).")
    return _rejected("refuses", message, f"code {code}")


def _rejected(verb: str, message: str, brief: str) -> Rejected:
    """Return an error with the server's or the client's message, which may quote the document."""
    return Rejected(*(f"MongoDB {verb} the document ({detail})." for detail in (message, brief)))


def _is_too_large(code: int | None, message: str) -> bool:
    return code in _TOO_LARGE or any(each in message for each in _CACHE_IS_FULL)


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(ANSWER)[0][:200]}"
