"""Log lines."""

import json
import logging
import sys

from project.config.logs import JsonFormatter, KeyValueFormatter, logging_config


def record(message: str = "outbox.sent", **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "cdc.outbox.relay", "levelname": "INFO", "msg": message, **extra}
    )
    made.created = 1_764_000_000.25
    return made


def test_a_record_as_key_value_pairs() -> None:
    line = KeyValueFormatter().format(record(topic="story-events", count=3))
    assert line == (
        "time=2025-11-24T16:00:00.250Z level=info logger=cdc.outbox.relay "
        "event=outbox.sent topic=story-events count=3"
    )


def test_a_record_as_json() -> None:
    fields = json.loads(JsonFormatter().format(record(count=3)))
    assert fields == {
        "time": "2025-11-24T16:00:00.250Z",
        "level": "info",
        "logger": "cdc.outbox.relay",
        "event": "outbox.sent",
        "count": 3,
    }


def test_values_with_blanks_and_quotes_are_quoted() -> None:
    line = KeyValueFormatter().format(record(reason='no "broker" there', empty=""))
    assert line.endswith('reason="no \\"broker\\" there" empty=""')


def test_a_line_break_in_a_value_forges_no_record() -> None:
    forged = record(title="a\ntime=2025 level=error")
    assert "\n" not in KeyValueFormatter().format(forged)
    assert "\n" not in JsonFormatter().format(forged)


def test_a_traceback_stays_on_the_line() -> None:
    try:
        raise KeyError("gone")
    except KeyError:
        failed = record(exc_info=sys.exc_info())
    line = KeyValueFormatter().format(failed)
    assert "\n" not in line
    assert "KeyError" in line


def test_the_level_is_the_root_loggers() -> None:
    config = logging_config(level="warning", form="json")
    assert config["root"]["level"] == "WARNING"
    assert config["formatters"]["line"]["()"] == "project.config.logs.JsonFormatter"


def test_payloads_are_not_logged_at_debug_level() -> None:
    loggers = logging_config(level="debug", form="json")["loggers"]
    assert loggers["pymongo"]["level"] == "WARNING"
    assert loggers["django.db.backends"]["level"] == "WARNING"
