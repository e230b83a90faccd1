"""The browser of the tests and of the tools that open pages."""

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
"""The first has no window and no extensions. It needs a fifth of the others' processor time."""
MISSING = "Chromium is missing: as root on Debian, apt-get install chromium-headless-shell."
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def program() -> str | None:
    """Return the path of the browser, or None if none is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launched(playwright: "Playwright") -> "Browser":
    """Start the browser. The caller closes it."""
    if (path := program()) is None:
        raise RuntimeError(MISSING)
    return playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
