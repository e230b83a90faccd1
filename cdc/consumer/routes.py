"""The routes of the captured tables: the collections to which their rows are applied."""

from cdc.mongo.plan import Route
from cdc.registry import registry


def routes() -> dict[str, Route]:
    """Return the route of each captured table, by table; raise Misconfigured for conflicts."""
    registry.require_sound()
    return {
        capture.table: Route(
            table=capture.table,
            key=capture.key.name,
            columns=capture.columns,
            collections=capture.collections,
            history=not capture.internal,
            topic=capture.topic,
            indexes=capture.indexes,
        )
        for capture in registry.all()
    }
