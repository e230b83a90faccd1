"""Results as lines, as JSON and as an exit code."""

import json

import pytest

from cdc.doctor.check import Check, Level, ok, or_ok, refuse, warning, wrong
from cdc.doctor.report import as_json, exit_code, lines
from cdc.errors import Misconfigured

FINE = ok("kafka.topic", "The topic orders is as required")
ODD = warning("database.durability", "The server's sync_binlog is 0", "set it to 1")
BAD = wrong("mongodb.version", "MongoDB is too old", "use 5.0 or newer", stops=True)


@pytest.mark.parametrize(
    ("checks", "code"),
    [([], 0), ([FINE], 0), ([FINE, ODD], 1), ([BAD, ODD], 2), ([ODD, BAD, FINE], 2)],
)
def test_the_worst_result_determines_the_exit_code(checks: list[Check], code: int) -> None:
    assert exit_code(checks) == code


def test_a_line_has_the_level_the_part_and_the_remedy() -> None:
    assert lines([FINE, ODD, BAD]) == [
        "ok       kafka     The topic orders is as required.",
        "warning  database  The server's sync_binlog is 0: set it to 1.",
        "wrong    mongodb   MongoDB is too old: use 5.0 or newer.",
    ]


def test_json_has_the_same_results() -> None:
    found = json.loads(as_json([ODD, BAD]))
    assert found["exit_code"] == 2
    assert found["checks"][0] == {
        "id": "database.durability",
        "part": "database",
        "level": "warning",
        "sentence": "The server's sync_binlog is 0.",
        "remedy": "set it to 1",
        "stops_daemons": False,
    }


def test_a_daemon_refuses_only_what_it_cannot_work_with() -> None:
    refuse([FINE, ODD, wrong("kafka.topic", "Wrong", "correct it")])
    with pytest.raises(Misconfigured, match=r"^MongoDB is too old: use 5\.0 or newer\.$"):
        refuse([ODD, BAD])


def test_a_part_without_problems_is_ok() -> None:
    assert list(or_ok([], "a.b", "Fine")) == [ok("a.b", "Fine")]
    assert [check.level for check in or_ok([ODD], "a.b", "Fine")] == [Level.WARNING]
