"""The report counts all differences, lists the first ones, and can be stored as JSON."""

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


def test_twenty_keys_need_no_ellipsis() -> None:
    report = new_report("stories_story", ["a"])
    report.add(Difference("a", DifferenceKind.EXTRA, key) for key in range(20))
    assert report.lines() == [f"a: 20 extra: {', '.join(map(str, range(20)))}"]


def test_a_new_report_is_empty_and_documents_add_up() -> None:
    report = new_report("stories_story", ["a", "b"])
    assert (report.lines(), report.different, report.rows) == ([], 0, 0)
    report.count_documents("a", 3)
    report.count_documents("a", 4)
    assert [each.documents for each in report.collections] == [7, 0]
    assert report.as_json() == {
        "table": "stories_story",
        "collections": [
            {
                "collection": name,
                "documents": documents,
                **{kind.value: {"count": 0, "keys": []} for kind in DifferenceKind},
            }
            for name, documents in (("a", 7), ("b", 0))
        ],
        "rows": 0,
        "repaired": 0,
        "unrepaired": 0,
    }


def test_one_key_more_needs_an_ellipsis() -> None:
    report = new_report("stories_story", ["a"])
    report.add(Difference("a", DifferenceKind.EXTRA, key) for key in range(21))
    assert report.lines() == [f"a: 21 extra: {', '.join(map(str, range(20)))}, …"]
