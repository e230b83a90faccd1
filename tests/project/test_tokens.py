"""Text in each colour of the design tokens is readable on the surfaces on which it is used."""

import re
from itertools import product

import pytest

from tests.support.paths import ROOT

_SHEET = (ROOT / "project/static/project/tokens.css").read_text()
_TONES = ("good", "info", "warn", "bad", "neutral")
_SURFACES = ("canvas", "panel", "raised", "hover")
_TEXT_CONTRAST = 4.5
_CONTROL_CONTRAST = 3.0
_PAIRS = [
    *product(("text", "muted", "accent", "accent-strong"), _SURFACES),
    *product(_TONES, ("canvas", "panel", "raised")),
    *((tone, f"{tone}-soft") for tone in _TONES),
    *(("text", f"{tone}-soft") for tone in _TONES),
    *(("accent", "accent-soft"), ("text", "accent-soft"), ("muted", "sunken")),
    *(("on-accent", "accent"), ("on-accent", "accent-strong"), ("panel", "bad")),
]


def tokens(theme: str) -> dict[str, str]:
    """Return the colours of a theme: the last rule that begins with its selector."""
    block = _SHEET.rpartition(f'[data-bs-theme="{theme}"] {{')[2].partition("}")[0]
    return dict(re.findall(r"--sf-([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_in_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable(theme: str) -> None:
    colours = tokens(theme)
    faint = {
        f"{text} on {surface}": round(found, 2)
        for text, surface in _PAIRS
        if (found := contrast(colours[text], colours[surface])) < _TEXT_CONTRAST
    }
    assert faint == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_borders_of_controls_are_visible(theme: str) -> None:
    colours = tokens(theme)
    for surface in ("canvas", "panel"):
        assert contrast(colours["control"], colours[surface]) >= _CONTROL_CONTRAST


def test_both_themes_have_the_same_colours() -> None:
    assert tokens("light").keys() == tokens("dark").keys()
