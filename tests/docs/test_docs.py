"""The documentation agrees with the code."""

from pathlib import Path

import pytest

from tests.docs.generated import GENERATED
from tests.docs.picture import BOXES
from tests.support.paths import ROOT

LONGEST_README = 120


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: file.name)
def test_generated_files_are_current(file: Path) -> None:
    # If this fails: python -m tests.docs
    assert file.read_text() == GENERATED[file]()


def test_each_station_of_the_picture_names_a_file_that_exists() -> None:
    assert [box.file for box in BOXES if box.file and not (ROOT / box.file).is_file()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


def test_links_lead_to_files_that_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in _targets(page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def _targets(text: str) -> list[str]:
    parts = [part.split(")")[0].split("#")[0] for part in text.split("](")[1:]]
    return [part for part in parts if part and "://" not in part]
