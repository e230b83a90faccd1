"""Creates the indexes that reports need."""

from pymongo import ASCENDING
from pymongo.collection import Collection

from cdc.mongo.plan import Document


def ensure_indexes(collection: Collection[Document], columns: tuple[str, ...]) -> None:
    """Create an index on each of these columns, unless one already exists under any name."""
    if not columns:
        return
    existing = {
        next(iter(index["key"]), ("",))[0] for index in collection.index_information().values()
    }
    for column in columns:
        if column not in existing:
            collection.create_index([(column, ASCENDING)])
