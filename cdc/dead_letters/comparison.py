"""Compares rows with their documents by the same rule as a reconciliation."""

from collections.abc import Mapping
from typing import Any

from cdc.errors import Rejected
from cdc.mongo.content import Content, Held
from cdc.mongo.plan import content
from cdc.registry import Capture


def matches(
    capture: Capture, row: Mapping[str, Any] | None, documents: Mapping[str, Held | None]
) -> bool:
    """Return whether every collection has the document that the consumer would write for the row.

    `row` is the row as JSON values by column. If it is None, no collection may have a document.
    """
    if row is None:
        return not any(documents.values())
    try:
        wanted = Content(content(row[capture.key.name], row, capture.columns))
    except Rejected:
        return False
    return all(held is not None and held.holds(wanted) for held in documents.values())
