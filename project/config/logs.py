"""Logging to standard error, one record per line, as key=value pairs or JSON."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

# `color_message` repeats uvicorn's message with terminal colours.
_NOT_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {
    *("message", "asctime", "taskName", "color_message")
}
_FORMATTERS = {
    "key-value": "project.config.logs.KeyValueFormatter",
    "json": "project.config.logs.JsonFormatter",
}


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object: time, level, logger, event and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record), default=str)

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        extra = {name: value for name, value in vars(record).items() if name not in _NOT_FIELDS}
        created = datetime.fromtimestamp(record.created, tz=UTC)
        fields = {
            "time": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **extra,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return fields


class KeyValueFormatter(JsonFormatter):
    """Formats a record as `name=value` pairs; a value is quoted as JSON if necessary."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_quoted(value)}" for name, value in self.fields(record).items())


def logging_config(*, level: str, form: str) -> dict[str, Any]:
    """Return Django's setting `LOGGING`: every logger writes to standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _FORMATTERS[form]}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            # These settings replace uvicorn's own handlers.
            "uvicorn": {"propagate": True},
            "uvicorn.access": {"propagate": True, "level": "WARNING"},
            # Without this level, each login would log four lines.
            "axes": {"level": "WARNING"},
            # At debug level, these loggers would log documents and rows. Logs must not contain
            # payloads.
            "pymongo": {"level": "WARNING"},
            "django.db.backends": {"level": "WARNING"},
        },
    }


def report_failure(sentence: str, exit_code: int) -> int:
    """Write to standard error why a process does not start, and return `exit_code`.

    The settings may be invalid, so the format is taken from the variable `LOG_FORMAT` alone.
    """
    if os.environ.get("LOG_FORMAT", "").lower() == "json":
        fields = {"name": "storyfeed", "levelname": "ERROR", "msg": "command.failed"}
        record = logging.makeLogRecord({**fields, "error": sentence, "exit_code": exit_code})
        sys.stderr.write(f"{JsonFormatter().format(record)}\n")
    else:
        sys.stderr.write(f"storyfeed: {sentence}\n")
    return exit_code


def _quoted(value: object) -> str:
    text = str(value)
    # Control characters are quoted too, so that a line break cannot forge a record.
    plain = text.isprintable() and not any(sign in text for sign in ' "=')
    return text if plain and text else json.dumps(text)
