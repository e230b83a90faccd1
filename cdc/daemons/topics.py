"""The topics of the captured models, and where the consumer applies the rows of each table."""

from cdc.mongo.plan import Route
from cdc.registry import registry


def routes() -> dict[str, Route]:
    """Return the route of each captured table."""
    return {
        capture.table: Route(
            table=capture.table,
            key=capture.key.name,
            columns=capture.columns,
            collections=capture.collections,
            history=not capture.internal,
        )
        for capture in registry.all()
    }


def topic_names() -> list[str]:
    """Return the topics of the captured models, without the feed's internal ones."""
    return sorted({capture.topic for capture in registry})


def all_topics() -> dict[str, int]:
    """Return every topic and its number of partitions; 0 means the configured number."""
    internal = {capture.topic: 1 for capture in registry.all() if capture.internal}
    return {**internal, **dict.fromkeys(topic_names(), 0)}
