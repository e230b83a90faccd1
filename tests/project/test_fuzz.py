"""No hostile request to any URL of the site ends with a server error."""

import os
import re
from collections.abc import Iterator

import pytest
from django.conf import settings as site_settings
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc.context import acting_as
from cdc.feed import page as feed_page
from cdc.jobs.kinds import COUNT
from cdc.models import DeadLetter, Job, JobState
from project.dashboard import cache
from project.http import readiness
from project.http.readiness import Parts
from project.pages import feed_state
from stories.models import Story
from tests.project.test_matrix import PEOPLE, ROUTES
from tests.support.fuzzing import VALUES, Attack, Fields, attacks, encoded, part_of_path, whole_form
from tests.support.latest import patient
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = [pytest.mark.database, pytest.mark.django_db]
EXAMPLES = int(os.environ.get("STORYFEED_FUZZ_EXAMPLES", "0"))
"""The number of random requests. By default, there are few requests, which are always the same."""
_FEW = 200
FORMS = [
    route
    for route in ROUTES
    if route.endswith(("add/", "change/", "new/", "register/", "reject/"))
    and not re.search("cdc/|axes/|rolechange/", route)  # only shown
]
_PARTS = re.compile(r"<[^>]+>|\^\(\?P<app_label>[^$]*\$|\(\?P<url>.*\$")
SESSION = site_settings.SESSION_COOKIE_NAME
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501
"""The status of the feed's stream, because the test client is no ASGI server."""


@pytest.fixture(autouse=True)
def no_services(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cache.reports, "read", lambda _: None)
    monkeypatch.setattr(feed_state, "rates", patient(lambda: None))
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: None))
    monkeypatch.setattr(feed_page, "content_of", lambda *_: feed_page.PageContent())
    monkeypatch.setattr(feed_page, "details", lambda *_: None)
    monkeypatch.setattr(readiness, "parts", Parts(dict.fromkeys(("database",), str)))
    with plain_static_files():
        yield


class Site:
    """One user for each role, and rows with the same key for all URLs."""

    def __init__(self) -> None:
        users = {
            role.value: User.objects.create_user(f"{role}@a.example", "x", name="R", user_type=role)
            for role in UserType
        }
        users["staff"] = User.objects.create_user("s@a.example", "x", name="S", is_staff=True)
        users["superuser"] = User.objects.create_superuser("p@a.example", "x", name="P")
        self.sessions = {name: _session_of(user) for name, user in users.items()}
        self.key = users["superuser"].pk
        with acting_as("test"):
            Story.objects.create(
                pk=self.key, title="Fuzz", href="http://a.example/", link="http://a.example/"
            )
        DeadLetter.objects.create(
            pk=self.key, group="g", topic="t", partition=0, offset=0, reason="not JSON"
        )
        Job.objects.create(
            pk=self.key,
            kind=COUNT,
            arguments='{"model": null, "where": []}',
            state=JobState.DONE,
            asked_by="test",
        )

    def client(self, person: str) -> Client:
        """Return a new client, because a response may change the cookies of a client."""
        client = Client(raise_request_exception=False)
        if person in self.sessions:
            client.cookies[SESSION] = self.sessions[person]
        return client


@pytest.fixture
def site() -> Site:
    return Site()


def _session_of(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies[SESSION].value


def path_of(route: str, ids: tuple[str, ...], key: int) -> str:
    given = iter(ids)
    return "/" + _PARTS.sub(lambda _: part_of_path(next(given, str(key))), route)


def statuses(client: Client, path: str, attack: Attack) -> Iterator[tuple[str, int]]:
    """Send a GET and, if `attack.post` is set, a POST. Yield each with the response's status."""
    where = f"{path}?{encoded(attack.query)}"
    answer = client.get(where, **attack.headers)  # type: ignore[arg-type]  # CGI variables
    yield f"GET {where} {attack.headers}", answer.status_code
    if not attack.post:
        return
    body, content_type = attack.body, attack.content_type
    if not content_type:
        plain = client.get(path)
        page = "" if plain.streaming else plain.content.decode()
        form = Fields(page).values
        names = list(form)
        form |= {names[at % len(names)]: value for at, value in attack.changed if names}
        form.pop("csrfmiddlewaretoken", None)
        body = encoded({**form, **attack.added}).encode()
        content_type = "application/x-www-form-urlencoded"
    answer = client.generic("POST", where, body, content_type, **attack.headers)  # type: ignore[arg-type]
    yield f"POST {where} {attack.headers} {content_type} {body[:2_000]!r}", answer.status_code


@settings(
    max_examples=EXAMPLES or _FEW,
    derandomize=not EXAMPLES,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    route=st.sampled_from(ROUTES) | st.sampled_from(FORMS),
    person=st.just("superuser") | st.sampled_from(PEOPLE),
    attack=attacks(),
)
def test_no_request_is_an_error_of_the_server(
    site: Site, route: str, person: str, attack: Attack
) -> None:
    attacked(site, route, person, attack)


@pytest.mark.parametrize("route", FORMS)
def test_no_value_of_a_field_is_an_error_of_the_server(site: Site, route: str) -> None:
    person = "anonymous" if route == "register/" else "superuser"
    for start in range(0, len(VALUES), 17):
        attacked(site, route, person, whole_form(start))


def attacked(site: Site, route: str, person: str, attack: Attack) -> None:
    """Send the request, and undo what it has changed."""
    path = path_of(route, attack.ids, site.key)
    with transaction.atomic():
        for sent, status in statuses(site.client(person), path, attack):
            assert status < _SERVER_ERROR or status == _NOT_IMPLEMENTED, (status, sent)
        transaction.set_rollback(True)
