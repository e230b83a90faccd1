"""Takes the screenshots for the documentation: `python -m tests.docs.screenshots`.

The program starts the embedded profile with demo traffic in a temporary folder, and opens pages as
a Technical Worker. It writes a screenshot of each page in the light and in the dark theme to
docs/images.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from project.stack.ports import free_port
from tests.support.paths import ROOT

_IMAGES = ROOT / "docs" / "images"
_PAGES = {"feed": "/feed/"}
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
_TRAFFIC = 3
_ROWS = 40
_VIEWPORT: ViewportSize = {"width": 1280, "height": 720}
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_WORKER = re.compile(r"(technical@\S+)\s+password (\S+)")


def main() -> None:
    _IMAGES.mkdir(exist_ok=True)
    with _running() as (url, email, password), sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        for theme in THEMES:
            for name, path in _PAGES.items():
                file = _IMAGES / f"{name}-{theme}.png"
                _take(_logged_in(browser, theme, url, email, password), f"{url}{path}", file)
                print(file)  # noqa: T201 -- the output of a command
        browser.close()


@contextmanager
def _running() -> Iterator[tuple[str, str, str]]:
    """Yield the address of a running profile, and a Technical Worker's e-mail and password."""
    with tempfile.TemporaryDirectory(prefix="storyfeed-screenshots-") as folder:
        command = ["up", "--traffic", str(_TRAFFIC), "--port", str(free_port())]
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={"STORYFEED_HOME": folder, "PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield _address(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def _address(process: "subprocess.Popen[str]") -> tuple[str, str, str]:
    said = ""
    for line in process.stdout or ():
        said += line
        address = re.search(r"open (http://\S+?)/? ", said)
        worker = _WORKER.search(said)
        if address and worker:
            return address[1], worker[1], worker[2]
    raise SystemExit(f"`manage.py up` ended before it was ready:\n{said}")


def _logged_in(browser: Browser, theme: Theme, url: str, email: str, password: str) -> Page:

    page = browser.new_context(color_scheme=theme, viewport=_VIEWPORT).new_page()
    page.goto(f"{url}/login/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("main").get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda address: "/login/" not in address)
    return page


def _take(page: Page, url: str, file: Path) -> None:
    page.goto(url)
    expect(page.locator("#changes > [data-row]").nth(_ROWS)).to_be_attached(timeout=120_000)
    page.screenshot(path=file)
    page.context.close()


if __name__ == "__main__":
    main()
