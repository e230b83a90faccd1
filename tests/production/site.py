"""The site as a person sees it, and traffic that saves stories while something happens."""

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

from tests.production.shell import Failed, expect, wait_for
from tests.support.https_client import HttpsClient

EMAIL, PASSWORD = "operator@people.example", "correct-horse-7"
ADD_USER = (
    "from users.models import User, UserType; "
    f"User.objects.filter(email={EMAIL!r}).exists() or User.objects.create_user({EMAIL!r}, "
    f"{PASSWORD!r}, name='Operator', user_type=UserType.TECHNICAL_WORKER)"
)
"""The code for `manage.py shell` that adds the account with which the tests log in."""
COLLECTIONS = ("stories_story", "stories_story_1", "stories_story_2")
_MOVED, _OK = 302, 200
_PAUSE_SECONDS = 0.2


def shared_stories(marker: str) -> str:
    """Return code for mongosh that prints the titles with `marker` in each collection, as JSON."""
    names = json.dumps(COLLECTIONS)
    query = json.dumps({"title": {"$regex": f"^{re.escape(marker)}"}})
    return (
        f"print(JSON.stringify({names}.map(name => "
        f"db.getSiblingDB('storyfeed')[name].find({query}).toArray().map(each => each.title))))"
    )


class Site:
    """A client that is logged in. It has its own connection for each request."""

    def __init__(self, url: str, certificate: Path | None = None) -> None:
        self._client = HttpsClient(url=url, certificate=certificate)

    def answers(self) -> bool:
        try:
            return self._client.get("/healthz").status == _OK
        except (OSError, http.client.HTTPException):
            return False

    def log_in(self) -> None:
        found = self._client.post("/login/?next=/stories/", username=EMAIL, password=PASSWORD)
        expect(
            (found.status, found.location) == (_MOVED, "/stories/"),
            f"the login returned status {found.status}: {found.text[:300]}",
        )

    def save_story(self, title: str) -> bool:
        """Save a story with the form. Return False if the site did not confirm it."""
        values = {"title": title, "link": f"https://news.example/{quote(title)}"}
        try:
            found = self._client.post("/stories/new/", **values)
        except (OSError, http.client.HTTPException, AssertionError):
            return False
        return found.status == _MOVED and found.location.startswith("/stories/")

    def open_stream(self) -> http.client.HTTPResponse:
        connection = self._client.connect()
        connection.request("GET", "/feed/stream", headers={"Cookie": self._client.cookie_header})
        response = connection.getresponse()
        expect(response.status == _OK, f"the feed returned status {response.status}")
        response.read1(1)
        return response


class Traffic:
    """Saves stories one after the other, and remembers those that the site confirmed."""

    def __init__(self, site: Site, marker: str) -> None:
        self.saved: list[str] = []
        self.refused = 0
        self._site, self._marker = site, marker
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Traffic"]:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def wait_for_more(self, number: int) -> None:
        """Wait until `number` more stories are saved."""
        goal = len(self.saved) + number
        wait_for(f"{number} more stories", lambda: len(self.saved) >= goal)

    def _run(self) -> None:
        for number in count(1):
            if self._ended.wait(_PAUSE_SECONDS):
                return
            title = f"{self._marker} {number}"
            if self._site.save_story(title):
                self.saved.append(title)
            else:
                self.refused += 1


def wait_until_applied(titles: list[str], found: Callable[[], list[list[str]]]) -> str:
    """Wait until all three collections have all `titles`, each once. Return a summary."""

    def complete() -> bool:
        return all(set(titles) <= set(each) for each in found())

    seconds = wait_for(f"{len(titles)} stories in each collection", complete)
    lists = found()
    if any(len(each) != len(set(each)) for each in lists) or len(set(map(len, lists))) != 1:
        raise Failed(f"the collections differ: {[len(each) for each in lists]} documents")
    return f"{len(titles)} stories in {len(lists)} collections after {seconds:.1f} s"
