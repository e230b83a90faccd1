"""Measures the pages of a running site in Chromium: `python -m tests.load.browser URL EMAIL`.

The user logs in with the password in the environment variable PASSWORD, and should see all pages,
as an administrator does. The first table shows for each page the weight, the number of requests and
the median time to the first paint, with an empty and with a full browser cache. The second
table shows the memory of the feed page, which stays open for `--minutes`; the site should make
changes continuously, as `manage.py up --traffic 20` does. Each row is measured after a garbage
collection.

The exit code is 1 if the feed page shows more rows than it may keep.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.chromium import launched

PAGES = ("/", "/stories/", "/feed/", "/operations/", "/senior_management/", "/admin/")
MOST_ROWS = 500
_ROUNDS = 5
_MEGABYTE = 1024 * 1024
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_LOADED = """
(() => {
  const all = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
  return [all.length, all.reduce((sum, each) => sum + each.transferSize, 0)];
})()
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.browser")
    parser.add_argument("url", help="the address of the site")
    parser.add_argument("email", help="the user that logs in")
    parser.add_argument("--minutes", type=int, default=10, help="default: %(default)s")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launched(playwright)
        state = logged_in(browser, options.url.rstrip("/"), options.email)
        _table("page", "kB", "requests", "first paint ms, empty cache", "full cache")
        for path in PAGES:
            _row(path, *first_paints(browser, state, options.url.rstrip("/") + path))
        _table("minute", "rows", "nodes", "JavaScript heap MB")
        worst = 0
        for minute, figures in memory(browser, state, options):
            worst = max(worst, figures[0])
            _row(minute, *figures)
    return int(worst > MOST_ROWS)


def logged_in(browser: Browser, url: str, email: str) -> Any:
    """Return the cookies of a new session."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{url}/login/")
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password").fill(os.environ["PASSWORD"])
        page.locator("main").get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda address: "/login/" not in address)
        return context.storage_state()


def first_paints(browser: Browser, state: Any, address: str) -> tuple[Any, ...]:
    """Return the weight and requests of a page, and its median paint times in milliseconds."""
    empty, full, requests, size = [], [], 0, 0
    for _ in range(_ROUNDS):
        with browser.new_context(storage_state=state) as context:
            page = context.new_page()
            empty.append(_paint(page, address))
            requests, size = page.evaluate(_LOADED)
            full.append(_paint(page, address))
    return f"{size / 1000:.0f}", requests, f"{median(empty):.0f}", f"{median(full):.0f}"


def _paint(page: Page, address: str) -> float:
    page.goto(address, wait_until="load")
    # The pages allow no eval(), which `wait_for_function` would need.
    for _ in range(100):
        if paint := page.evaluate(_PAINT):
            return float(paint)
        page.wait_for_timeout(50)
    sys.exit(f"{address} was not painted within 5 s.")


def memory(
    browser: Browser, state: Any, options: argparse.Namespace
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the figures of the feed page, at its start and after each minute."""
    with browser.new_context(storage_state=state) as context:
        page = context.new_page()
        page.goto(f"{options.url.rstrip('/')}/feed/")
        began = time.monotonic()
        for minute in range(options.minutes + 1):
            page.wait_for_timeout(max(began + 60 * minute - time.monotonic(), 0) * 1000)
            yield minute, _figures(context, page)


def _figures(context: BrowserContext, page: Page) -> tuple[Any, ...]:
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    found = {
        each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]
    }
    session.detach()
    rows = page.locator("#changes > [data-change]").count()
    return rows, int(found["Nodes"]), f"{found['JSHeapUsedSize'] / _MEGABYTE:.1f}"


def _table(*names: str) -> None:
    _row(*names)
    sys.stdout.write("|---" * len(names) + "|\n")


def _row(*cells: Any) -> None:
    sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
