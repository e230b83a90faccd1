"""The JSON Schema and AsyncAPI descriptions of the messages, generated from the captures."""

from collections.abc import Sequence
from typing import Any, Protocol

from cdc import __version__
from cdc.wire.columns import Column
from cdc.wire.event import Operation

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_HEADERS = ("outbox_id", "epoch", "traceparent", "published_ms")
_ROW = {"$ref": "#/$defs/row"}
_KEY = {"$ref": "#/$defs/key"}
_NULL = {"type": "null"}
_MILLISECONDS = {"type": "integer", "minimum": 0}
_SEQUENCE = {
    "type": "string",
    "pattern": r'^\["[0-9]+","[0-9]+"\]$',
    "description": (
        "The position in the order of the row's changes: epoch, then outbox id. Compare as numbers."
    ),
}


class CapturedTable(Protocol):
    """The attributes of a `Capture` that this module uses."""

    @property
    def topic(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def columns(self) -> Sequence[Column]: ...
    @property
    def key(self) -> Column: ...


def event_schema(captured: CapturedTable, connector: str) -> dict[str, Any]:
    """Return the JSON Schema of the value of a captured model's messages."""
    return {
        "$schema": _DIALECT,
        "title": f"A change of {captured.table}",
        "description": "Debezium's envelope. A delete is followed by a record without a value.",
        **_object(_envelope(captured, connector)),
        "allOf": [_rows(operation) for operation in Operation],
        "$defs": {
            "row": _object({column.name: column.schema() for column in captured.columns}),
            # `before` contains only the key if the row was too long or could not be encoded, and
            # in a delete that is resent.
            "key": _object({captured.key.name: captured.key.schema()}),
        },
    }


def key_schema(captured: CapturedTable) -> dict[str, Any]:
    """Return the JSON Schema of the key of a captured model's messages."""
    return {"$schema": _DIALECT, **_object({captured.key.name: captured.key.schema()})}


def asyncapi(captured: CapturedTable, connector: str) -> dict[str, Any]:
    """Return the AsyncAPI description of a captured model's topic."""
    text = {"type": "string"}
    message = {
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": dict.fromkeys(_HEADERS, text),
            "required": ["outbox_id", "epoch"],
        },
        "payload": event_schema(captured, connector),
        "bindings": {"kafka": {"key": key_schema(captured)}},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Changes of {captured.table}", "version": __version__},
        "defaultContentType": "application/json",
        "channels": {
            "changes": {"address": captured.topic, "messages": {"change": message}},
        },
        "operations": {
            "sendChange": {"action": "send", "channel": {"$ref": "#/channels/changes"}},
        },
    }


def _envelope(captured: CapturedTable, connector: str) -> dict[str, Any]:
    return {
        "before": {"anyOf": [_ROW, _KEY, _NULL]},
        "after": {"anyOf": [_ROW, _NULL]},
        "op": {"enum": [operation.value for operation in Operation]},
        "ts_ms": {**_MILLISECONDS, "description": "The time of capture, since 1970 in UTC."},
        "source": _object(
            {
                "version": {"type": "string"},
                "connector": {"const": connector},
                "name": {"const": connector},
                "ts_ms": _MILLISECONDS,
                "snapshot": {"enum": ["true", "false"]},
                "db": {"type": "string"},
                "table": {"const": captured.table},
                "sequence": _SEQUENCE,
                "user": {
                    "type": "string",
                    "description": "The author of the change: a user's id, or a command's name.",
                },
            }
        ),
        "transaction": _NULL,
    }


def _rows(operation: Operation) -> dict[str, Any]:
    """Return the JSON Schema of the condition on `before` and `after` for one operation."""
    rows = {
        Operation.CREATE: (_NULL, _ROW),
        Operation.UPDATE: ({"anyOf": [_ROW, _KEY]}, _ROW),
        Operation.DELETE: ({"anyOf": [_ROW, _KEY]}, _NULL),
        Operation.READ: (_NULL, _ROW),
    }
    before, after = rows[operation]
    return {
        "if": {"properties": {"op": {"const": operation.value}}},
        "then": {"properties": {"before": before, "after": after}},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
