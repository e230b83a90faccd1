"""The list of rules agrees with the code, and the check reports a rule that no test needs."""

from dataclasses import replace
from pathlib import Path

import pytest

from project.stack.errors import StackError
from project.up.console import Console
from tests.mutation.rule_check import Copy, RuleCheck
from tests.mutation.rules import Rule, all_rules, matching, missing_tests

RULES = all_rules()
SOURCE = "def doubled(number: int) -> int:\n    return number * 2\n"
TEST = """
from code_under_test import doubled


def test_zero() -> None:
    assert doubled(0) == 0


def test_one() -> None:
    assert doubled(1) == 2
"""
RULE = Rule(
    promise="P1",
    rule="A number is doubled",
    file="code_under_test.py",
    old="number * 2",
    new="number * 3",
    tests=("test_code.py::test_one",),
)


class Silent(Console):
    """A console that shows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)


def test_each_promise_has_rules() -> None:
    promises = {rule.promise for rule in RULES}
    assert {f"P{number}" for number in range(1, 10)} <= promises


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_can_be_removed_and_its_tests_exist(rule: Rule) -> None:
    # If this test fails, the code has changed: correct the entry in tests/mutation/promises.
    rule.removed()
    assert missing_tests(rule) == []


def test_no_rule_is_listed_twice() -> None:
    assert len({str(rule) for rule in RULES}) == len(RULES)
    assert len({(rule.file, rule.old, rule.new) for rule in RULES}) == len(RULES)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    (tmp_path / "code_under_test.py").write_text(SOURCE)
    (tmp_path / "test_code.py").write_text(TEST)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["services"]\n')
    return Copy(tmp_path, {})


@pytest.mark.parametrize("old", ["number * 4", "number"])
def test_a_text_that_does_not_occur_exactly_once_is_an_error(copy: Copy, old: str) -> None:
    with pytest.raises(ValueError, match=r"P1: A number is doubled: `old` occurs \d times in code"):
        replace(RULE, old=old).removed(copy.folder)


def test_a_change_without_a_meaning_is_an_error(copy: Copy) -> None:
    with pytest.raises(ValueError, match="the same meaning"):
        replace(RULE, new="number  *  2").removed(copy.folder)


def test_missing_tests_are_found(copy: Copy) -> None:
    tests = ("test_code.py::test_one[a]", "test_code.py::test_on", "gone.py::test_one")
    assert missing_tests(replace(RULE, tests=tests), copy.folder) == list(tests[1:])


@pytest.mark.slow
def test_a_rule_is_removed_inside_the_block_only(copy: Copy) -> None:
    file = copy.folder / RULE.file
    with copy.without(RULE):
        assert "number * 3" in file.read_text()
        assert copy.run(RULE.tests, servers=False)[0] == 1
    assert file.read_text() == SOURCE
    assert copy.run(RULE.tests, servers=False)[0] == 0


def test_rules_are_chosen_by_promise_file_and_folder() -> None:
    other = replace(RULE, promise="P2", file="cdc/other.py")
    assert matching([RULE, other], []) == [RULE, other]
    assert matching([RULE, other], ["P1"]) == [RULE]
    assert matching([RULE, other], ["cdc/", "P3"]) == [other]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "line", "noticed"),
    [
        ("test_one", "noticed by test_code.py::test_one: P1: A number is doubled", True),
        ("test_zero", "NOT NOTICED: P1: A number is doubled", False),
    ],
)
def test_a_rule_is_noticed_if_a_test_fails_without_it(
    copy: Copy, test: str, line: str, *, noticed: bool
) -> None:
    check, shown = RuleCheck(console := Silent()), console.shown
    rule = replace(RULE, tests=(f"test_code.py::{test}",))

    assert check._is_noticed(copy, rule) is noticed
    assert shown == [f"{line} (code_under_test.py)"]


@pytest.mark.slow
def test_code_that_cannot_be_imported_is_an_error(copy: Copy) -> None:
    check = RuleCheck(Silent())
    with pytest.raises(StackError, match="could not be run"):
        check._is_noticed(copy, replace(RULE, old="int) ->", new="x) ->"))


@pytest.mark.slow
def test_tests_that_fail_with_all_rules_are_an_error(copy: Copy) -> None:
    (copy.folder / RULE.file).write_text(SOURCE.replace("2", "3"))
    check = RuleCheck(Silent())
    with pytest.raises(StackError, match="although no rule was removed"):
        check._require_success(copy, [RULE])
