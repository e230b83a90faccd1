"""The checks of order, equality and versions that the fault tests use report violations."""

from dataclasses import replace

import pytest

from tests.faults.topic import Seen, out_of_order
from tests.faults.watcher import Judge, Look


def look(**versions: int) -> Look:
    return {int(name[1:]): {"_epoch": 1, "_version": version} for name, version in versions.items()}


def judged(*looks: Look) -> list[str]:
    judge = Judge()
    for each in looks:
        judge.see([each, each, each])
    return judge.violations


def test_rising_versions_are_no_violation() -> None:
    assert judged(look(s1=1), look(s1=2, s2=3), look(s2=3), look(s1=5, s2=3)) == []


@pytest.mark.parametrize(
    ("looks", "violation"),
    [
        ([look(s1=2), look(s1=1)], "went back"),
        ([look(s1=2), look(), look(s1=2)], "came back"),
        ([look(s1=2), look(), look(s1=1)], "went back"),
    ],
)
def test_an_older_version_or_a_returning_story_is_a_violation(
    looks: list[Look], violation: str
) -> None:
    assert violation in "".join(judged(*looks))


def test_different_collections_are_a_violation() -> None:
    judge = Judge()

    judge.see([look(s1=1), look(s1=1), look(s1=2)])

    assert judge.violations == ["stories_story_2 differs from stories_story in [1]"]


def test_a_final_state_unlike_the_table_is_a_violation() -> None:
    judge = Judge()
    judge.see([look(s1=1, s2=5)] * 3)
    judge.end({1: (1, 1), 2: (1, 5)})
    assert judge.violations == []

    judge.end({1: (1, 2), 3: (1, 3)})

    assert judge.violations == [
        "story 1 ends as (1, 1), its row as (1, 2)",
        "story 2 ends as (1, 5), its row as None",
        "story 3 ends as None, its row as (1, 3)",
    ]


def seen(number: int, before: str | None, after: str | None, op: str = "u") -> Seen:
    return Seen(
        partition=0,
        offset=0,
        story="1",
        version=(1, number),
        op=op,
        before=None if before is None else {"title": before},
        after=None if after is None else {"title": after},
    )


C, U, V = seen(1, None, "a", "c"), seen(2, "a", "b"), seen(3, "b", "c")
LOG = {(1, 1, "1"), (1, 2, "1"), (1, 3, "1")}


def test_a_column_that_was_added_between_two_images_is_not_compared() -> None:
    added = replace(U, before={"title": "a", "language": "en"})
    assert out_of_order([C, added, V], LOG) == []
    assert out_of_order([C, replace(added, before={"title": "b", "language": "en"}), V], LOG) == [
        "1: (1, 2) did not follow (1, 1)"
    ]


def test_repeated_records_are_in_order_when_the_first_ones_are() -> None:
    assert out_of_order([C, U, C, U, V], LOG) == []


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([C, V, U, V], "first appears after"),
        ([C, V], "lost"),
        ([C, U, V, seen(4, "c", "d")], "not committed"),
        ([C, U, V, U], "its newest"),
        ([C, seen(2, "other", "b"), V], "did not follow"),
    ],
)
def test_a_wrong_order_is_reported(records: list[Seen], problem: str) -> None:
    assert problem in "; ".join(out_of_order(records, LOG))
