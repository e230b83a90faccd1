"""The format of log lines, and which events are logged."""

import json
import logging
import subprocess
import sys

import pytest

from project.config.environment import BASE_DIR
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


def test_colours_for_a_terminal_are_left_out() -> None:
    line = KeyValueFormatter().format(record("Started", color_message="\x1b[36mStarted\x1b[0m"))
    assert line.endswith("event=Started")


def test_values_with_spaces_and_quotes_are_quoted() -> None:
    line = KeyValueFormatter().format(record(reason='no "broker" there', empty=""))
    assert line.endswith('reason="no \\"broker\\" there" empty=""')


def test_control_characters_in_a_value_forge_no_record() -> None:
    forged = record(title="a\ntime=2025\r\x1b[31m level=error")
    for line in (KeyValueFormatter().format(forged), JsonFormatter().format(forged)):
        assert line.isprintable()


def test_traceback_stays_on_its_line() -> None:
    try:
        raise KeyError("gone")
    except KeyError:
        failed = record(exc_info=sys.exc_info())
    line = KeyValueFormatter().format(failed)
    assert "\n" not in line
    assert "KeyError" in line


def test_level_and_format_are_configured() -> None:
    config = logging_config(level="warning", form="json")
    assert config["root"]["level"] == "WARNING"
    assert config["formatters"]["line"]["()"] == "project.config.logs.JsonFormatter"


@pytest.mark.parametrize("form", ["key-value", "json"])
def test_uvicorn_logs_in_the_same_format(form: str) -> None:
    code = (
        "import logging.config as c, uvicorn; uvicorn.Config('a:b'); "
        "from project.config.logs import logging_config; "
        f"c.dictConfig(logging_config(level='info', form='{form}')); "
        "logger = __import__('logging').getLogger('uvicorn.error'); logger.info('Started')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    expected = {"key-value": "logger=uvicorn.error event=Started", "json": '"event": "Started"'}
    assert done.stderr.count("\n") == 1
    assert expected[form] in done.stderr


def test_payloads_are_not_logged_at_debug_level() -> None:
    loggers = logging_config(level="debug", form="json")["loggers"]
    assert loggers["pymongo"]["level"] == "WARNING"
    assert loggers["django.db.backends"]["level"] == "WARNING"
