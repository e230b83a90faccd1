"""Examines MongoDB: the replica set, its version, the collections, the indexes and the rights."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cdc.conf import CdcSettings
from cdc.doctor.check import Check, ok, or_ok, warning, wrong
from cdc.errors import Retryable
from cdc.mongo.client import (
    connect,
    database,
    reaching,
    require_transactions,
    server_state,
)
from cdc.mongo.plan import delete_markers
from cdc.mongo.refusals import LOGIN_REFUSED, access_problem
from cdc.mongo.reports.indexes import expiry
from cdc.registry import registry

_OLDEST = (5, 0)
_DAY_SECONDS = 86_400
_ACTIONS = frozenset(
    {
        *("find", "insert", "update", "remove", "createCollection", "createIndex"),
        *("listCollections", "listIndexes"),
    }
)
"""The actions on the database that a consumer cannot work without."""
_CHANGE = "collMod"
"""The action that a consumer needs to change the expiry time of an existing index."""


def check_mongodb(settings: CdcSettings) -> Iterator[Check]:
    """Yield the checks of MongoDB; raise Misconfigured or Retryable."""
    with connect(settings) as client:
        try:
            require_transactions(client, settings.mongodb_uri)
            yield ok("mongodb.replica_set", "MongoDB supports transactions and has a primary")
            yield from _version(client)
            rights = [*_rights(client, settings)]
            yield from or_ok(rights, "mongodb.rights", "The user may change the database")
            if not any(check.stops for check in rights):
                yield from or_ok(
                    _collections(client, settings), "mongodb.indexes", "The indexes are as required"
                )
        except Retryable as error:
            cause = error.__cause__
            if (problem := access_problem(cause)) is None:
                raise
            login = getattr(cause, "code", None) in LOGIN_REFUSED
            yield wrong("mongodb.login" if login else "mongodb.rights", *problem, stops=True)


def clock_offset(settings: CdcSettings) -> float:
    """Return how many seconds the clock of MongoDB's primary is ahead of this machine's."""
    with connect(settings) as client:
        before = time.time()
        found: datetime = server_state(client)["localTime"]
        asked = (before + time.time()) / 2
    return found.replace(tzinfo=UTC).timestamp() - asked


def judge_version(version: str, compatibility: str) -> Iterator[Check]:
    """Yield a problem if the server is too old, or acts like a server that is too old."""
    needed = ".".join(map(str, _OLDEST))
    if _number(version) < _OLDEST:
        yield wrong(
            "mongodb.version",
            f"MongoDB's version is {version}, which is too old",
            f"use MongoDB {needed} or newer",
            stops=True,
        )
    elif compatibility and _number(compatibility) < _OLDEST:
        yield wrong(
            "mongodb.version",
            f"MongoDB's featureCompatibilityVersion is {compatibility}, which is too old",
            f"set it to {needed} or higher",
        )


def judge_rights(privileges: Sequence[Mapping[str, Any]], name: str) -> Iterator[Check]:
    """Yield a problem if the user lacks an action on the database `name`."""
    granted = {
        action
        for privilege in privileges
        if _covers(privilege["resource"], name)
        for action in privilege["actions"]
    }
    if "anyAction" in granted:
        return
    if lacking := sorted(_ACTIONS - granted):
        noun = "action" if len(lacking) == 1 else "actions"
        yield wrong(
            "mongodb.rights",
            f"The MongoDB user lacks the {noun} {', '.join(lacking)} on the database {name}",
            "grant the role readWrite on the database",
            stops=True,
        )
    elif _CHANGE not in granted:
        yield warning(
            "mongodb.rights",
            f"The MongoDB user lacks the action {_CHANGE} on the database {name}, so a consumer "
            "cannot apply a new HISTORY_DAYS or DELETE_MARKER_DAYS",
            f"grant the action {_CHANGE} on the database",
        )


def _covers(resource: Mapping[str, Any], name: str) -> bool:
    """Return whether a privilege applies to all ordinary collections of the database."""
    if resource.get("anyResource"):
        return True
    return resource.get("db") in {"", name} and resource.get("collection") == ""


def _version(client: Any) -> Iterator[Check]:
    with reaching():
        version = str(client.admin.command("buildInfo")["version"])
        compatibility = _compatibility(client)
    yield from or_ok(
        judge_version(version, compatibility),
        "mongodb.version",
        f"MongoDB's version is {version}",
    )


def _compatibility(client: Any) -> str:
    """Return the featureCompatibilityVersion; empty if the user may not read it."""
    try:
        with reaching():
            asked = {"getParameter": 1, "featureCompatibilityVersion": 1}
            found = client.admin.command(asked).get("featureCompatibilityVersion", {})
            return str(found.get("version", ""))
    except Retryable as error:
        if access_problem(error.__cause__):
            return ""
        raise


def _rights(client: Any, settings: CdcSettings) -> Iterator[Check]:
    with reaching():
        status = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    # If the server requires no login, a client without a login may do everything. If the server
    # requires a login, the next command fails.
    if status["authenticatedUsers"]:
        yield from judge_rights(status["authenticatedUserPrivileges"], settings.mongodb_database)


def _collections(client: Any, settings: CdcSettings) -> Iterator[Check]:
    db = database(client, settings)
    with reaching():
        existing = set(db.list_collection_names())
        for capture in registry.all():
            for name in sorted(existing.intersection(capture.collections)):
                yield from _unique(name, db[name].index_information())
            if (markers := delete_markers(capture.table)) in existing:
                days = settings.delete_marker_days
                yield from _expiry(markers, db[markers].index_information(), days)
        if settings.history_collection in existing:
            indexes = db[settings.history_collection].index_information()
            yield from _expiry(settings.history_collection, indexes, settings.history_days)


def _unique(name: str, indexes: Mapping[str, Any]) -> Iterator[Check]:
    for index, options in indexes.items():
        if options.get("unique"):
            yield warning(
                "mongodb.unique_index",
                f"The collection {name} has the unique index {index}, which may delay changes "
                "or turn them into dead letters",
                "drop the index unless its values are also unique in the table",
            )


def _expiry(name: str, indexes: Mapping[str, Any], days: int) -> Iterator[Check]:
    needed = days * _DAY_SECONDS if days else None
    _, found = expiry(indexes)
    if found != needed:
        yield warning(
            "mongodb.expiry",
            f"The lifetime of the documents in the collection {name} is {_seconds(found)}, not "
            f"{_seconds(needed)}",
            "restart a consumer, which corrects the index on `at` when it starts",
        )


def _seconds(number: int | None) -> str:
    return "unlimited" if number is None else f"{number} s"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
