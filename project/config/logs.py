"""Logging to standard error, one record a line, as key=value pairs or JSON."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_FORMATTERS = {
    "key-value": "project.config.logs.KeyValueFormatter",
    "json": "project.config.logs.JsonFormatter",
}


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time, level, logger, event and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        return json.dumps(self.fields(record), default=str)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return what a record says, in the order in which it is read."""
        extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        moment = datetime.fromtimestamp(record.created, tz=UTC)
        fields = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **extra,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return fields


class KeyValueFormatter(JsonFormatter):
    """The same as `name=value` pairs; values with blanks or quotes are quoted as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        return " ".join(f"{name}={_quoted(value)}" for name, value in self.fields(record).items())


def logging_config(*, level: str, form: str) -> dict[str, Any]:
    """Return `LOGGING` for one stream handler."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _FORMATTERS[form]}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "uvicorn.access": {"level": "WARNING"},
            # Each log-in would take four lines.
            "axes": {"level": "WARNING"},
            # At debug level these write whole documents and rows: payloads are never logged.
            "pymongo": {"level": "WARNING"},
            "django.db.backends": {"level": "WARNING"},
        },
    }


def _quoted(value: object) -> str:
    text = str(value)
    # A line break in a value must not forge a record of its own.
    plain = text.isprintable() and not any(sign in text for sign in ' "=')
    return text if plain and text else json.dumps(text)
