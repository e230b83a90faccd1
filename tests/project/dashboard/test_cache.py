"""Reports are counted once for all readers. While one is counted, an older one is shown."""

import threading
from datetime import date
from types import SimpleNamespace

import pytest

from cdc.errors import Retryable
from project.dashboard import cache
from project.dashboard.cache import Reports
from project.dashboard.periods import CHOICES, Choice, end_at
from project.dashboard.report import Report
from tests.support.reports import report


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a first report: other processes may occupy the machine."""
    monkeypatch.setattr(cache, "_FIRST_SECONDS", 60.0)


def test_all_readers_share_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FRESH_SECONDS", 600.0)
    read: list[str] = []

    def count(choice: Choice) -> Report:
        read.append(choice.name)
        return report(choice)

    reports = Reports(count)
    values = [reports.begin(CHOICES[name])().value for name in ("7", "30", "7", "7")]
    assert read == ["7", "30"]
    assert values[0] is values[2] is values[3]


def test_no_stories_are_an_answer() -> None:
    assert Reports(lambda _: None).begin(CHOICES["7"])().value == (None,)


def test_a_failure_is_a_problem() -> None:
    def fail(_: Choice) -> Report:
        raise Retryable("MongoDB is not responding.")

    reading = Reports(fail).begin(CHOICES["7"])()
    assert (reading.value, reading.problem) == (None, "MongoDB is not responding.")


def test_an_older_report_is_shown_while_a_new_one_is_counted() -> None:
    release, second = threading.Event(), threading.Event()
    calls: list[int] = []

    def count(choice: Choice) -> Report:
        calls.append(1)
        if len(calls) > 1:
            second.set()
            release.wait(60)
        return report(choice)

    reports = Reports(count)
    first = reports.begin(CHOICES["7"])().value
    reports._of(CHOICES["7"])._fresh = 0
    reading = reports.begin(CHOICES["7"])()
    assert second.wait(60)
    release.set()
    assert (reading.value, reading.problem) == (first, "")


def test_only_the_last_choices_are_kept() -> None:
    reports = Reports(report)
    days = [date(2010, 1, 1 + number).isoformat() for number in range(cache._MOST + 5)]
    for day in days:
        reports.begin(end_at(CHOICES["7"], day)[0])()
    assert [str(choice.last) for choice in reports._latest] == days[-cache._MOST :]


def test_at_most_four_reports_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them has a database connection, until `close_all` is called."""
    full, release = threading.Event(), threading.Event()
    open_now: list[Choice] = []
    most: list[int] = []

    def count(choice: Choice) -> Report:
        open_now.append(choice)
        most.append(len(open_now))
        if len(open_now) == cache.AT_ONCE:
            full.set()
        release.wait(60)
        return report(choice)

    # Other threads may also close their connections.
    connections = SimpleNamespace(close_all=open_now.pop)
    monkeypatch.setattr("project.pages.latest.connections", connections)
    reports = Reports(count)
    days = [date(2010, 1, 1 + number).isoformat() for number in range(cache._MOST + 5)]
    begun = [reports.begin(end_at(CHOICES["7"], day)[0]) for day in days]
    assert full.wait(60)
    release.set()
    assert all(wait().value for wait in begun)
    assert max(most) == cache.AT_ONCE
