"""How many bytes an event occupies in MongoDB."""

from collections.abc import Mapping
from datetime import UTC, datetime

import bson
from bson.errors import BSONError

from cdc.mongo.plan import Delivered, Route, history_document

_EPOCH = datetime.fromtimestamp(0, tz=UTC)


def written_bytes(delivered: Delivered, routes: Mapping[str, Route]) -> int:
    """Return the size of the documents that an event writes; 0 if BSON cannot hold them.

    JSON says little about it: in BSON, a list of one-digit numbers is six times as long.
    """
    route = routes[delivered.event.table]
    try:
        document = len(bson.encode(delivered.document)) if delivered.document else 0
        history = len(bson.encode(history_document(delivered, _EPOCH))) if route.history else 0
    except (BSONError, OverflowError, RecursionError):
        return 0  # The replica rejects it.
    return document * len(route.collections) + history
