"""Runs all examinations, and prints the results."""

import json
from collections.abc import Callable, Iterator, Sequence

from cdc.conf import CdcSettings
from cdc.doctor.between import check_between
from cdc.doctor.check import Check, Level, wrong
from cdc.doctor.database import check_database
from cdc.doctor.kafka import check_kafka
from cdc.doctor.mongodb import check_mongodb
from cdc.doctor.settings import check_settings
from cdc.errors import Misconfigured, Retryable

_EXIT_CODES = {Level.OK: 0, Level.WARNING: 1, Level.WRONG: 2}


def examine(settings: CdcSettings, using: str) -> list[Check]:
    """Return the results of all parts; a part that cannot be examined has one result, `wrong`."""
    parts: dict[str, Callable[[], Iterator[Check]]] = {
        "settings": lambda: check_settings(settings),
        "database": lambda: check_database(settings, using),
        "kafka": lambda: check_kafka(settings),
        "mongodb": lambda: check_mongodb(settings),
        "between": lambda: check_between(settings, using),
    }
    return [check for name, part in parts.items() for check in _results(name, part)]


def exit_code(checks: Sequence[Check]) -> int:
    """Return 0 if everything is ok, 1 after a warning, and 2 if something is wrong."""
    return max((_EXIT_CODES[check.level] for check in checks), default=0)


def lines(checks: Sequence[Check]) -> list[str]:
    """Return one line for each result: the level, the part and the sentence."""
    return [f"{check.level:8} {check.part:9} {check.text}" for check in checks]


def as_json(checks: Sequence[Check]) -> str:
    """Return a JSON object with the exit code and all results."""
    results = [
        {
            "id": check.id,
            "part": check.part,
            "level": check.level,
            "sentence": f"{check.sentence}.",
            "remedy": check.remedy,
            "stops_daemons": check.stops,
        }
        for check in checks
    ]
    return json.dumps({"exit_code": exit_code(checks), "checks": results})


def _results(name: str, part: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from part()
    except Retryable as error:
        yield _failure(f"{name}.reachable", error, stops=False)
    except Misconfigured as error:
        yield _failure(f"{name}.configuration", error, stops=True)


def _failure(check: str, error: Exception, *, stops: bool) -> Check:
    sentence, _, remedy = " ".join(str(error).split()).rstrip(".").rpartition(": ")
    return wrong(check, sentence or remedy, remedy if sentence else "", stops=stops)
