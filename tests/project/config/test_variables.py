"""Typed access to environment variables."""

from pathlib import Path

import pytest

from cdc.errors import Misconfigured
from project.config.variables import Variables


def test_text_falls_back_to_its_default() -> None:
    variables = Variables({"A": "x", "EMPTY": ""})
    assert variables.text("A", "y") == "x"
    assert variables.text("EMPTY", "y") == "y"
    assert variables.text("B") == ""


def test_secret_file_is_stripped(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pass word\n")
    assert Variables({"A_FILE": str(tmp_path / "secret")}).text("A") == "pass word"


def test_variable_wins_over_its_file(tmp_path: Path) -> None:
    assert Variables({"A": "x", "A_FILE": str(tmp_path / "none")}).text("A") == "x"


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"A_FILE is '.*none', .*: name a readable text file"):
        Variables({"A_FILE": str(tmp_path / "none")}).text("A")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[("1", True), ("TRUE", True), ("yes", True), ("on", True)],
        *[("0", False), ("False", False), ("no", False), ("off", False), ("", False)],
    ],
)
def test_flags(value: str, expected: bool) -> None:
    assert Variables({"A": value}).flag("A") is expected


def test_invalid_flag_is_refused() -> None:
    with pytest.raises(Misconfigured, match="A is 'maybe': set it to 'true' or 'false'"):
        Variables({"A": "maybe"}).flag("A")


def test_numbers() -> None:
    assert Variables({"A": "12"}).number("A", 3) == 12
    assert Variables({}).number("A", 3) == 3


@pytest.mark.parametrize("value", ["twelve", "1.5", "1e3"])
def test_invalid_number_is_refused(value: str) -> None:
    with pytest.raises(Misconfigured, match=f"A is '{value}': set it to a whole number"):
        Variables({"A": value}).number("A", 3)


def test_names_are_stripped_and_empty_parts_dropped() -> None:
    assert Variables({"A": " x, y ,,z"}).names("A") == ("x", "y", "z")
    assert Variables({"A": " , "}).names("A", ("d",)) == ("d",)
