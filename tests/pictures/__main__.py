"""Writes the screenshots for the documentation: `make pictures`.

Starts `manage.py up` with demo data and traffic in a temporary folder, on a free port.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from project.stack.ports import free_port
from project.up.console import Console
from tests.support import chromium
from tests.support.paths import ROOT

IMAGES = ROOT / "docs" / "images"
PAGES = (
    ("technical", "/feed/", "feed"),
    ("technical", "/operations/", "pipeline"),
    ("management", "/senior_management/?days=30", "dashboard"),
)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
START_SECONDS, STOP_SECONDS = 300.0, 60.0
TRAFFIC_SECONDS = 75.0
"""The time after which the charts show traffic; they count whole minutes."""
SETTLED_MS = 6_000
GIVEN = ("DATABASE_URL", "DJANGO_SECRET_KEY", "KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI")


class Demo:
    """A running demo, and the passwords of its accounts."""

    def __init__(self, console: str) -> None:
        found = re.search(r"ready: open (\S+?)/? ", console)
        assert found, console
        self.address = found[1]
        self.passwords = dict(re.findall(r"^(\w+)@\S+ +password (\S+)", console, re.MULTILINE))


@contextmanager
def demo(folder: Path) -> Iterator[Demo]:
    """Start a demo with traffic, and stop it on exit."""
    log = folder / "console"
    given = {name: value for name, value in os.environ.items() if name not in GIVEN}
    with log.open("wb") as console:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--traffic", "3", "--port", str(free_port())],
            cwd=ROOT,
            env={**given, "STORYFEED_HOME": str(folder / "home")},
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while "ready: open" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Demo(log.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def take(browser: Browser, demo: Demo, role: str, path: str, file: Path) -> None:
    """Log in and write the screenshot of a page; the theme is the end of the file's name."""
    theme = THEMES[file.stem.endswith("dark")]
    context = browser.new_context(color_scheme=theme, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{demo.address}/login/?next={path}")
    page.get_by_label("E-mail address").fill(f"{role}@storyfeed.example")
    page.get_by_label("Password").fill(demo.passwords[role])
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login/" not in url)
    page.wait_for_timeout(SETTLED_MS)
    page.screenshot(path=file)
    context.close()


def main() -> None:
    """Write the screenshots."""
    console = Console()
    if chromium.program() is None:
        raise SystemExit(chromium.MISSING)
    with tempfile.TemporaryDirectory() as folder, demo(Path(folder)) as running:
        console.show(f"The demo runs for {TRAFFIC_SECONDS:.0f} s, so that the charts show traffic.")
        time.sleep(TRAFFIC_SECONDS)
        with sync_playwright() as playwright:
            browser = chromium.launched(playwright)
            for (role, path, name), theme in product(PAGES, THEMES):
                file = IMAGES / f"{name}-{theme}.png"
                take(browser, running, role, path, file)
                console.show(f"{file.relative_to(ROOT)} was written.")
            browser.close()


if __name__ == "__main__":
    main()
