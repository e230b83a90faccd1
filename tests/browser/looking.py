"""Looking at one page: as people see it, and as axe does."""

import os
import re
from itertools import product
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Visitor

WIDTHS = (360, 768, 1280)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
EVERYTHING = {"resultTypes": ["violations"]}
COLOURS = {**EVERYTHING, "runOnly": ["color-contrast"]}
"""What another theme changes."""
# Pages to keep as pictures; for looking at, not needed by any test.
PICTURES = os.environ.get("STORYFEED_PICTURES")


def look(visitor: Visitor, path: str, role: str) -> list[str]:
    """Return the widths at which a page has something beside it."""
    page, wide = visitor.page, []
    visitor.open(path)
    # The theme changes colours only, so it is looked at once, unless pictures are wanted.
    for theme, width in product(THEMES if PICTURES else THEMES[:1], WIDTHS):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 800})
        beside = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        # The admin's tables are Django's: wide ones are moved sideways on a telephone.
        if beside > 0 and not path.startswith("/admin/"):
            wide.append(f"{path} is {beside} px too wide at {width}")
        if PICTURES:
            name = re.sub(r"\W+", "_", f"{role} {path} {theme} {width}")
            page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)
    return wide


def examine(visitor: Visitor, path: str) -> list[str]:
    """Return what axe finds on a page that is serious or worse."""
    visitor.open(path)
    return violations(visitor)


def violations(visitor: Visitor) -> list[str]:
    """Return the same of the page that is open."""
    place, found = visitor.page.url, []
    for theme, options in zip(THEMES, (EVERYTHING, COLOURS), strict=True):
        visitor.page.emulate_media(color_scheme=theme)
        # A colour on its way from one theme to the other is nobody's.
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
