"""The report counts every difference, lists the first ones, and survives JSON."""

import json

from cdc.resync.comparison import Difference, DifferenceKind
from cdc.resync.report import MOST_KEYS, TableReport, new_report


def found() -> TableReport:
    report = new_report("stories_story", ["a", "b"])
    report.add(Difference("a", DifferenceKind.MISSING, key) for key in range(MOST_KEYS + 5))
    report.add(
        [Difference("b", DifferenceKind.STALE, 7), Difference("b", DifferenceKind.EXTRA, "x")]
    )
    report.count_documents("b", 3)
    return report


def test_all_differences_are_counted_and_the_first_listed() -> None:
    report = found()
    assert report.different == MOST_KEYS + 7
    assert report.collections[0].missing.keys == list(range(MOST_KEYS))
    assert report.collections[1].documents == 3


def test_one_line_per_kind_of_difference() -> None:
    first = ", ".join(map(str, range(20)))
    assert found().lines() == [
        f"a: {MOST_KEYS + 5} missing: {first}, …",
        "b: 1 stale: 7",
        "b: 1 extra: x",
    ]


def test_it_survives_json() -> None:
    report = found()
    assert TableReport.from_json(json.loads(json.dumps(report.as_json()))) == report
