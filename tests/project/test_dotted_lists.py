"""The parts of a dotted list are separated by dots, none of which begins a line."""

import re

from tests.support.paths import ROOT


def test_dotted_lists_have_no_second_class() -> None:
    """A dot at the beginning of a line is cut off. A class with padding would show it."""
    pages = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "cdc").rglob("*.html")]
    classes = [
        found for page in pages for found in re.findall(r'class="([^"]*)"', page.read_text())
    ]
    assert {found for found in classes if "sf-meta" in found.split()} == {"sf-meta"}
