"""The checks that compare the servers with each other, such as their clocks."""

import pytest
from django.conf import settings

from cdc.doctor import between, database, mongodb
from cdc.doctor.between import check_between, judge_clocks, judge_deletes
from cdc.doctor.check import Level
from cdc.errors import Unreachable

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("database", "mongodb", "level"),
    [
        (0.0, 0.0, None),
        (-2.0, 2.9, None),
        (5.1, 0.0, Level.WARNING),
        (0.0, -30.0, Level.WARNING),
        (-3.0, 3.0, Level.WARNING),
        (0.0, 301.0, Level.WRONG),
        (-7200.0, 0.0, Level.WRONG),
    ],
)
def test_clocks_must_agree(database: float, mongodb: float, level: Level | None) -> None:
    offsets = {"this machine": 0.0, "the database": database, "MongoDB": mongodb}
    assert [check.level for check in judge_clocks(offsets)] == ([level] if level else [])


def test_the_clocks_that_differ_are_named() -> None:
    offsets = {"this machine": 0.0, "the database": -7200.0, "MongoDB": 1.0}
    (check,) = judge_clocks(offsets)
    assert "The clock of MongoDB is 7201 s ahead of the clock of the database" in check.text


def test_a_clock_without_another_one_is_not_said_to_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> float:
        raise Unreachable("down")

    monkeypatch.setattr(between, "Cluster", lambda _: None)
    monkeypatch.setattr(between, "topic_names", list)
    monkeypatch.setattr(mongodb, "clock_offset", fail)
    monkeypatch.setattr(database, "clock_offset", lambda _: 0.0)
    (check,) = check_between(settings.CDC, "default")
    assert check.text == "These clocks agree: this machine, the database."

    monkeypatch.setattr(database, "clock_offset", fail)
    assert list(check_between(settings.CDC, "default")) == []


def test_kafka_must_keep_a_delete_for_the_longest_outage() -> None:
    days = settings.CDC.delete_marker_days
    (check,) = judge_deletes("orders", DAY_MS, settings.CDC)
    assert check.level is Level.WARNING
    assert f"set delete.retention.ms to {days * DAY_MS}" in check.text


def test_mongodb_must_keep_a_delete_as_long_as_kafka() -> None:
    (check,) = judge_deletes("orders", 30 * DAY_MS, settings.CDC)
    assert check.level is Level.WARNING
    assert "set DELETE_MARKER_DAYS to 30 or more" in check.text


def test_equal_times_pass() -> None:
    days = settings.CDC.delete_marker_days
    assert list(judge_deletes("orders", days * DAY_MS, settings.CDC)) == []
