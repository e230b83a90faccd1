"""The list of accepted survivors, and the statements that are not mutated."""

from pathlib import Path

import pytest

from tests.mutation.survivors import compare, parse
from tests.mutation.tree import Target, without_texts

FIRST = "cdc.wire.event:decode: a < b => a <= b"
SECOND = "cdc.wire.columns:Column.to_wire: x | y => x & y"
OTHER = "cdc.outbox.relay:step: 1 => 2"
LIST = Path(__file__).with_name("survivors.txt")


def test_a_list_gives_the_reason_for_each_mutation() -> None:
    text = f"# a comment\n\n{FIRST} | never equal\n{SECOND} | never both\n"
    assert parse(text) == {FIRST: "never equal", SECOND: "never both"}


@pytest.mark.parametrize("line", [FIRST, f"{FIRST} | ", " | a reason"])
def test_each_line_needs_a_reason(line: str) -> None:
    with pytest.raises(ValueError, match="Line 1 is not"):
        parse(line)


def test_no_mutation_may_be_listed_twice() -> None:
    with pytest.raises(ValueError, match="Line 2 lists"):
        parse(f"{FIRST} | one\n{FIRST} | two")


def test_a_survivor_that_is_not_listed_is_new() -> None:
    difference = compare({FIRST: "equal"}, {FIRST, SECOND}, Target("cdc/wire"))
    assert (difference.new, difference.killed) == ([SECOND], [])


def test_a_listed_mutation_that_does_not_survive_is_killed() -> None:
    listed = {FIRST: "equal", SECOND: "equal", OTHER: "equal"}
    difference = compare(listed, {SECOND}, Target("cdc/wire"))
    assert (difference.new, difference.killed) == ([], [FIRST]), "relay was not checked"


@pytest.mark.parametrize(
    ("target", "module", "expected"),
    [
        ("cdc/wire", "cdc.wire.event", True),
        ("cdc/wire/event.py", "cdc.wire.event", True),
        ("cdc/wire/event.py", "cdc.wire.events", False),
        ("cdc/wire", "cdc.wired.event", False),
    ],
)
def test_a_target_has_its_modules(target: str, module: str, expected: bool) -> None:
    assert Target(target).has(module) is expected


def test_a_target_is_tested_by_what_mirrors_it() -> None:
    package, module, untested = map(Target, ("cdc/mongo", "cdc/mongo/plan.py", "cdc/mongo/none.py"))
    assert (package.tests, module.tests) == ("tests/cdc/mongo", "tests/cdc/mongo/test_plan.py")
    assert untested.tests == module.test_folder == package.test_folder == "tests/cdc/mongo"


def test_errors_and_log_statements_are_not_mutated() -> None:
    source = 'if a > 1:\n    raise Rejected(\n        "text"\n    )\ntelemetry.log(b)\nc = 1\n'
    kept = [line for line in without_texts(source).splitlines() if "no mutate" not in line]
    assert kept == ["if a > 1:", "c = 1"]


def test_the_list_of_the_repository_can_be_read() -> None:
    parse(LIST.read_text())
