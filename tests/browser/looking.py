"""Checks of one page: its layout, and its accessibility with axe."""

import os
import re
from itertools import product
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Visitor

WIDTHS = (360, 768, 1280)
EXCESS_WIDTH = "document.documentElement.scrollWidth - window.innerWidth"
CUT_OFF = """
[...document.querySelectorAll(".sf-meta")].flatMap((meta) => {
  // The part of the list in its left margin is clipped.
  const first = meta.getBoundingClientRect().left - parseFloat(getComputedStyle(meta).marginLeft);
  const texts = document.createTreeWalker(meta, NodeFilter.SHOW_TEXT);
  const cut = [];
  while (texts.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    if ([...range.getClientRects()].some((each) => each.width && each.left < first - 1)) {
      cut.push(texts.currentNode.data.trim());
    }
  }
  return cut;
})
"""
"""Returns the texts in dotted lists that have a line in the clipped left margin."""
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
EVERYTHING = {"resultTypes": ["violations"]}
COLOURS = {**EVERYTHING, "runOnly": ["color-contrast"]}
"""The only check for the second theme, because a theme changes only colours."""
# A folder for screenshots of all pages. No test needs them.
PICTURES = os.environ.get("STORYFEED_PICTURES")


def look(visitor: Visitor, path: str, role: str) -> list[str]:
    """Return a message for each window width at which a page is too wide or cuts off a text."""
    page, found = visitor.page, []
    visitor.open(path)
    # A theme changes only colours, so the widths are checked in one theme.
    for theme, width in product(THEMES if PICTURES else THEMES[:1], WIDTHS):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 800})
        excess = page.evaluate(EXCESS_WIDTH)
        # The admin's wide tables come from Django. On a phone they scroll sideways.
        if excess > 0 and not path.startswith("/admin/"):
            found.append(f"{path} is {excess} px too wide at {width}")
        found += [f"{path} cuts off {text!r} at {width}" for text in page.evaluate(CUT_OFF)]
        if PICTURES:
            name = re.sub(r"\W+", "_", f"{role} {path} {theme} {width}")
            page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
    return found


def examine(visitor: Visitor, path: str) -> list[str]:
    """Open a page and return the serious and critical violations that axe finds."""
    visitor.open(path)
    return violations(visitor)


def violations(visitor: Visitor) -> list[str]:
    """Return the serious and critical violations that axe finds on the open page."""
    place, found = visitor.page.url, []
    for theme, options in zip(THEMES, (EVERYTHING, COLOURS), strict=True):
        visitor.page.emulate_media(color_scheme=theme)
        # The colours change gradually, so wait until the change is complete.
        visitor.page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
            ".then(() => Promise.allSettled(document.getAnimations().map((a) => a.finished)))"
        )
        result = Axe().run(visitor.page, options=options)
        found += [
            f"{place}, {theme}: {item['id']} ({item['help']}) at {item['nodes'][0]['target']}"
            for item in result.response["violations"]
            if item["impact"] in {"serious", "critical"}
        ]
    return found
