"""The random samples of mutations, and the interval of their score."""

import json
from pathlib import Path

import pytest

from tests.mutation import tree
from tests.mutation.results import codes, scores
from tests.mutation.sample import Sample, summary, wilson
from tests.mutation.tree import Target

NAMES = [f"cdc.wire.event.x_decode__mutmut_{number}" for number in range(40)]
SOURCE = """
def x_decode__mutmut_orig(a):
    return a < 1


def x_decode__mutmut_1(a):
    return a <= 1


def x_decode__mutmut_2(a):
    return a < 2
"""


def test_a_seed_always_gives_the_same_mutations() -> None:
    drawn = Sample(10, 0).draw(NAMES)
    assert Sample(10, 0).draw(reversed(NAMES)) == drawn
    assert len(set(drawn)) == 10
    assert set(drawn) <= set(NAMES)


def test_another_seed_gives_other_mutations() -> None:
    assert set(Sample(10, 0).draw(NAMES)) != set(Sample(10, 1).draw(NAMES))


def test_a_sample_is_at_most_everything() -> None:
    assert sorted(Sample(100, 0).draw(NAMES)) == sorted(NAMES)


@pytest.mark.parametrize(
    ("killed", "total", "expected"),
    [
        (90, 100, (0.8256, 0.9448)),
        (0, 10, (0.0, 0.2775)),
        (10, 10, (0.7225, 1.0)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_the_interval_is_wilsons(killed: int, total: int, expected: tuple[float, float]) -> None:
    assert wilson(killed, total) == pytest.approx(expected, abs=1e-4)


def test_the_summary_shows_the_score_and_its_interval() -> None:
    shown = summary("cdc/wire", 90, 100)
    assert shown == "cdc/wire: 90 of 100 killed, 90.0 %, 95 % interval 82.6 to 94.5 %"


def test_a_score_covers_only_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "WORK", tmp_path)
    target = Target("cdc/wire")
    folder = target.folder / "mutants" / "cdc" / "wire"
    folder.mkdir(parents=True)
    first, second = (f"cdc.wire.event.x_decode__mutmut_{number}" for number in (1, 2))
    spans = {"orig": [2, 3], "1": [6, 7], "2": [10, 11]}
    (folder / "event.py").write_text(SOURCE)
    (folder / "event.py.meta").write_text(json.dumps({"exit_code_by_key": {first: 0, second: 1}}))
    (folder / "event.py.spans").write_text(
        json.dumps({"spans": {f"x_decode__mutmut_{key}": span for key, span in spans.items()}})
    )
    assert codes(target) == {first: 0, second: 1}
    survived = ["cdc.wire.event:decode: return a < 1 => return a <= 1"]
    assert [(each.total, each.survivors) for each in scores(target)] == [(2, survived)]
    assert [(each.total, each.survivors) for each in scores(target, [first])] == [(1, survived)]
    assert [(each.total, each.survivors) for each in scores(target, [second])] == [(1, [])]
    assert scores(target, []) == []
