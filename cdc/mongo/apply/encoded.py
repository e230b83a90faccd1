"""Encodes the documents of events in BSON. Each document is encoded only once.

The size of a document is needed before the batch is written, and the document may be written to
several collections.
"""

from datetime import datetime

import bson
from bson.raw_bson import RawBSONDocument

from cdc.mongo.history_document import event_document
from cdc.mongo.plan import Delivered

DOCUMENT, HISTORY = "document", "history"


def document(delivered: Delivered) -> bytes:
    """Return the document of an event that is not a delete."""
    if DOCUMENT not in delivered.encoded:
        delivered.encoded[DOCUMENT] = bson.encode(delivered.document or {})
    return delivered.encoded[DOCUMENT]


def history(delivered: Delivered) -> bytes:
    """Return the history document of an event, without `applied_at`."""
    if HISTORY not in delivered.encoded:
        delivered.encoded[HISTORY] = bson.encode(event_document(delivered))
    return delivered.encoded[HISTORY]


def applied(delivered: Delivered, applied_at: bytes) -> RawBSONDocument:
    """Return the history document of an event; `applied_at` is a document with only this field."""
    # A document consists of its size in 4 bytes, its fields and a zero byte (bsonspec.org).
    fields = history(delivered)[4:-1] + applied_at[4:]
    return RawBSONDocument((len(fields) + 4).to_bytes(4, "little") + fields)


def time_of(applied_at: datetime) -> bytes:
    """Return a document with the field `applied_at`."""
    return bson.encode({"applied_at": applied_at})
