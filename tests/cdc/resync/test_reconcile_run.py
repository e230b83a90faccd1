"""The verdict and the JSON of a finished reconciliation."""

from datetime import UTC, datetime

import pytest

from cdc.resync.comparison import Difference, DifferenceKind
from cdc.resync.reconcile_run import Result
from cdc.resync.report import new_report


def result(different: int, *, repair: bool = False, left: int = 0) -> Result:
    report = new_report("stories_story", ["a"])
    report.rows = 9
    report.add(Difference("a", DifferenceKind.STALE, key) for key in range(different))
    report.repaired, report.unrepaired = (different - left, left) if repair else (0, 0)
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return Result(finished_at=at, seconds=1.234, repair=repair, tables=(report,))


@pytest.mark.parametrize(
    ("found", "equal", "verdict"),
    [
        (result(0), True, "9 rows compared: every document matches its row."),
        (
            result(2),
            False,
            "9 rows compared, 2 documents differ: run `manage.py reconcile --repair`.",
        ),
        (result(2, repair=True), True, "9 rows compared, 2 keys repaired: no differences remain."),
        (
            result(2, repair=True, left=1),
            False,
            (
                "1 key repaired: 1 still differs. See `manage.py dead_letters list`, then run "
                "`manage.py reconcile --repair` again."
            ),
        ),
    ],
)
def test_the_verdict(found: Result, equal: bool, verdict: str) -> None:
    assert verdict in found.verdict
    assert found.equal is equal
    assert found.lines()[-1] == found.verdict


def test_the_json_shape() -> None:
    shape = result(2).as_json()
    assert shape["finished_at"] == "2026-01-02T00:00:00+00:00"
    assert (shape["seconds"], shape["equal"], shape["different"]) == (1.2, False, 2)
    assert shape["tables"][0]["collections"][0]["stale"] == {"count": 2, "keys": [0, 1]}
