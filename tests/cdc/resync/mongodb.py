"""The documents of a replica in memory, stored in MongoDB."""

from cdc.conf import CdcSettings
from cdc.mongo.client import connect, database
from cdc.registry import Capture
from cdc.testing.feed import MemoryFeed


def store(feed: MemoryFeed, settings: CdcSettings, capture: Capture) -> None:
    """Replace the documents of a captured table in MongoDB."""
    replicas = database(connect(settings), settings)
    for name in capture.collections:
        replicas[name].delete_many({})
        if documents := list(feed.documents(name).values()):
            replicas[name].insert_many(documents)
