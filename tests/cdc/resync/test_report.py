"""What a reconciliation found: counted in full, listed in part, kept as JSON."""

import json

from cdc.resync.comparison import Difference, Kind
from cdc.resync.report import MOST_KEYS, TableReport, new_report


def found() -> TableReport:
    report = new_report("stories_story", ["a", "b"])
    report.add(Difference("a", Kind.MISSING, key) for key in range(MOST_KEYS + 5))
    report.add([Difference("b", Kind.STALE, 7), Difference("b", Kind.EXTRA, "x")])
    report.passed("b", 3)
    return report


def test_all_are_counted_and_the_first_are_listed() -> None:
    report = found()
    assert report.different == MOST_KEYS + 7
    assert report.collections[0].missing.keys == list(range(MOST_KEYS))
    assert report.collections[1].documents == 3


def test_a_line_for_each_kind_that_was_found() -> None:
    first = ", ".join(map(str, range(20)))
    assert found().lines() == [
        f"a: {MOST_KEYS + 5} missing: {first}, …",
        "b: 1 stale: 7",
        "b: 1 extra: x",
    ]


def test_it_comes_back_from_json_as_it_was() -> None:
    report = found()
    assert TableReport.from_json(json.loads(json.dumps(report.as_json()))) == report
