"""The documentation agrees with the code."""

import ast
import re
from dataclasses import MISSING, fields
from pathlib import Path
from pkgutil import resolve_name

import pytest

from cdc.conf import CdcSettings
from tests.docs.generated import GENERATED
from tests.docs.picture import BOXES
from tests.support.paths import ROOT

LONGEST_README = 120
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / "docs").rglob("*.md"),
]
_PATH = re.compile(
    r"(?<![\w./<>-])(?:cdc|compose|project|stories|templates|tests|users)/(?:[\w./@-]*[\w/])?"
)
_MADE_BY_THE_USER = ("compose/env", "compose/secrets")
_MODULE = re.compile(r"(?<![\w./-])(?:cdc|project|stories|tests|users)(?:\.[A-Za-z_]\w*)+")
_CHECK = re.compile(r"cdc\.[EW]\d{3}")
_PERMISSIONS = {"cdc.resolve_deadletter", "users.assign_role"}
_CALLED_CDC = {"cdc.py"}
"""Names of files in applications, which look like names in the package `cdc`."""


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: file.name)
def test_generated_files_are_current(file: Path) -> None:
    # If this test fails, run `python -m tests.docs`.
    assert file.read_text() == GENERATED[file]()


def test_each_station_of_the_picture_names_a_file_that_exists() -> None:
    assert [box.file for box in BOXES if box.file and not (ROOT / box.file).is_file()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


def test_links_lead_to_files_that_exist() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in _targets(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_sentences_about_refused_connections_exist_in_the_code() -> None:
    page = (ROOT / "docs/secured-connections.md").read_text()
    quoted = re.findall(r"^wrong +\w+ +(.+)\.$", page, re.MULTILINE)
    assert len(quoted) > 10
    texts = "\n".join(_texts(file) for file in (ROOT / "cdc").rglob("*.py"))
    pieces = {
        # The code inserts the server after "The certificate of".
        piece.strip().removeprefix("The certificate of the database at")
        for sentence in quoted
        for piece in re.split(r"\(.*\)|\S+\.example:\d+|: ", sentence)
    }
    assert [piece for piece in sorted(pieces) if piece not in texts] == []


def test_paths_of_the_code_exist() -> None:
    missing = [
        name
        for name in _mentions(_PATH)
        if not (ROOT / name[1]).exists() and not name[1].startswith(_MADE_BY_THE_USER)
    ]
    assert missing == []


def test_dotted_names_of_the_code_exist() -> None:
    known = _PERMISSIONS | _CALLED_CDC
    missing = [
        name
        for name in _mentions(_MODULE)
        if name[1] not in known and not _CHECK.fullmatch(name[1]) and not _resolves(name[1])
    ]
    assert missing == []


def test_the_example_of_settings_is_complete() -> None:
    text = (ROOT / "docs/capture.md").read_text()
    (example,) = re.findall(r"```python\n(CDC = .*?)```", text, re.DOTALL)
    call = next(node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call))
    required = {
        field.name
        for field in fields(CdcSettings)
        if field.default is MISSING and field.default_factory is MISSING
    }
    assert {keyword.arg for keyword in call.keywords} == required


def _texts(file: Path) -> str:
    """Return the texts in the code of a file; each constant part of an f-string is a text."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return "\n".join(
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _mentions(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Return the page and the text of each match in the documentation."""
    return [
        (page.name, found)
        for page in PAGES
        for found in sorted(set(pattern.findall(page.read_text())))
    ]


def _resolves(name: str) -> bool:
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def _targets(text: str) -> list[str]:
    parts = [part.split(")")[0].split("#")[0] for part in text.split("](")[1:]]
    return [part for part in parts if part and "://" not in part]
