"""The status code of every URL for every kind of user. Each new URL pattern needs a row here.

A session that ended, for whatever reason, is treated like no session at every URL.
"""

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import URLResolver, get_resolver

from cdc.context import acting_as
from cdc.feed import page as feed_page
from cdc.jobs.kinds import COUNT
from cdc.models import DeadLetter, Job, JobState, OutboxRecord
from project.dashboard import cache
from project.http import readiness
from project.http.readiness import Parts
from project.pages import feed_state
from stories.models import Story
from tests.support.empty_tables import filled_tables
from tests.support.latest import patient
from tests.support.static_files import plain_static_files
from users.models import RoleChange, User, UserType

pytestmark = pytest.mark.slow

PEOPLE = ("anonymous", *UserType.values, "staff", "superuser")
Row = tuple[int, ...]
Ended = tuple[str, str]
"""How a session ended, and the kind of its user."""

ALL = (200,) * 6
LOGGED_IN = (302, *(200,) * 5)
STRANGERS = (200, *(302,) * 5)
NONE = (405,) * 6
REVIEWERS = (302, 403, 403, 403, 403, 200)
POSTED = (302, *(405,) * 5)
READERS = (302, 403, 200, 200, 403, 200)
ACTORS = (302, 403, 200, 403, 403, 200)

PAGES: dict[str, Row] = {
    "healthz": ALL,
    "readyz": ALL,
    "metrics": ALL,  # on this machine (others: tests/project/metrics/test_page.py)
    "": STRANGERS,
    "register/": STRANGERS,
    "login/": ALL,
    "logout/": NONE,  # POST is required
    "password/": LOGGED_IN,
    "password/reset/": ALL,
    "password/reset/<uidb64>/<token>/": ALL,  # the page says that the link is invalid
    # The staff user is a Customer. Staff status gives no access to other home pages.
    "customer/": (302, 200, 403, 403, 200, 200),
    "technical_worker/": (302, 403, 200, 403, 403, 200),
    "senior_management/": (302, 403, 403, 200, 403, 200),
    "senior_management/<slug:table_name>.csv": (302, 403, 403, 200, 403, 200),
    "styleguide/": (302, 403, 403, 403, 200, 200),
    "favicon.ico": (302,) * 6,
    "operations/": READERS,
    "operations/state/": READERS,
    "operations/verdict/": READERS,
    "operations/log/": READERS,
    "operations/dead_letters/": READERS,
    "operations/dead_letters/<int:pk>/": READERS,
    "operations/dead_letters/<int:pk>/replay/": ACTORS,
    "operations/dead_letters/<int:pk>/discard/": ACTORS,
    # Nothing is selected, so those who can act are sent back to the list.
    "operations/dead_letters/replay/": (302, 403, 302, 403, 403, 302),
    "operations/dead_letters/discard/": (302, 403, 302, 403, 403, 302),
    "operations/pause/": ACTORS,
    "operations/resume/": ACTORS,
    "operations/jobs/": READERS,
    "operations/jobs/snapshot/": ACTORS,
    "operations/jobs/reconcile/": ACTORS,
    "operations/jobs/repair/": ACTORS,
    "operations/jobs/<int:pk>/": READERS,
    "operations/jobs/<int:pk>/start/": ACTORS,
    "operations/jobs/<int:pk>/cancel/": ACTORS,
    "feed/": READERS,
    "feed/<int:partition>/<int:offset>/": (302, 403, 404, 404, 403, 404),
    # 501, because streams need an ASGI server, and the test client is not an ASGI server.
    "feed/stream": (403, 403, 501, 501, 403, 501),
    "stories/": LOGGED_IN,
    "stories/new/": LOGGED_IN,
    "stories/new/check/": LOGGED_IN,
    "stories/<int:pk>/": LOGGED_IN,
    "stories/<int:pk>/change/": ACTORS,  # the story has no submitter
    "stories/<int:pk>/way/": READERS,
    "stories/mine/": LOGGED_IN,
    "stories/<int:pk>/withdraw/": (302, *(403,) * 5),  # the story has no submitter
    "stories/<int:pk>/approve/": REVIEWERS,
    "stories/<int:pk>/reject/": REVIEWERS,
    "stories/<int:pk>/digg/": POSTED,
    "stories/<int:pk>/undo_digg/": POSTED,
}


def admin(staff: int, superuser: int) -> Row:
    """Return a row in which all other users are redirected to the login page."""
    return (302, 302, 302, 302, staff, superuser)


ADMIN: dict[str, Row] = {
    "admin/": admin(200, 200),
    "admin/login/": (302,) * 6,
    "admin/logout/": (302, 302, 302, 302, 405, 405),
    "admin/password_change/": (302,) * 6,
    "admin/password_change/done/": admin(200, 200),
    "admin/autocomplete/": admin(403, 403),  # the request names no field
    "admin/jsi18n/": admin(200, 200),
    "admin/r/<path:content_type_id>/<path:object_id>/": admin(404, 404),
    "admin/^(?P<app_label>users|auth|axes|stories|cdc)/$": admin(404, 200),
    "admin/(?P<url>.*)$": admin(404, 404),
    "admin/users/user/<id>/password/": admin(403, 200),
}
# Status codes for a superuser: the list, an empty form, and pages of a row that does not exist.
WRITABLE = {"": 200, "add/": 200, "history/": 302, "delete/": 302, "change/": 302}
READ_ONLY = {**WRITABLE, "add/": 403, "delete/": 403}
MODELS = {
    "auth/group": WRITABLE,
    "users/user": WRITABLE,
    "users/rolechange": READ_ONLY,
    "stories/story": WRITABLE,
    "cdc/outboxrecord": READ_ONLY,
    "cdc/deadletter": READ_ONLY,
    "cdc/operatoraction": READ_ONLY,
    "cdc/epoch": READ_ONLY,
    "cdc/relaylease": READ_ONLY,
    "axes/accessattempt": {**WRITABLE, "add/": 403},
    "axes/accesslog": {**WRITABLE, "add/": 403},
    "axes/accessfailurelog": {**WRITABLE, "add/": 403},
}


def model_rows() -> Iterator[tuple[str, Row]]:
    for model, superuser in MODELS.items():
        for page, status in superuser.items():
            place = page if page in {"", "add/"} else f"<path:object_id>/{page}"
            # The history view looks up the object before it checks permissions.
            yield f"admin/{model}/{place}", admin(302 if page == "history/" else 403, status)
        # A legacy URL that redirects staff to the change page, which checks permissions.
        yield f"admin/{model}/<path:object_id>/", admin(302, 302)


# The pages of the admin in this list redirect to the login page in turn.
LOGIN_PAGES = ("/login/", "/admin/", "/admin/login/", "/password/")
MATRIX = {**PAGES, **ADMIN, **dict(model_rows())}


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        else:
            yield route


ROUTES = sorted(set(routes(get_resolver())))
EXAMPLES = {
    # No test creates so many objects that one has this id.
    "<path:object_id>": "404000404",
    "<path:content_type_id>": "404",
    "<uidb64>/<token>": "MQ/no-token",
    "<int:partition>/<int:offset>": "1/2",
    "^(?P<app_label>users|auth|axes|stories|cdc)/$": "users/",
    "(?P<url>.*)$": "nothing-here",
    "<slug:table_name>": "topics",
}


def log_out_elsewhere(_: User, client: Client) -> None:
    other = Client(headers={"Cookie": f"sessionid={client.cookies['sessionid'].value}"})
    assert other.post("/logout/").status_code == 302


def disable(user: User, _: Client) -> None:
    user.is_active = False
    user.save()


def disable_for_a_time(user: User, client: Client) -> None:
    disable(user, client)
    user.is_active = True
    user.save()


def change_address(user: User, _: Client) -> None:
    user.email = f"new.{user.email}"
    user.save()


def change_password(user: User, _: Client) -> None:
    user.set_password("another-long-42")
    user.save()


def change_type(user: User, _: Client) -> None:
    workers = user.user_type == UserType.TECHNICAL_WORKER
    user.user_type = UserType.CUSTOMER if workers else UserType.TECHNICAL_WORKER
    user.save()


def change_privileges(user: User, _: Client) -> None:
    user.is_staff = not user.is_staff
    user.is_superuser = False
    user.save()


def remove(user: User, _: Client) -> None:
    user.delete()


ENDS: dict[str, Callable[[User, Client], None]] = {
    "logged out elsewhere": log_out_elsewhere,
    "disabled": disable,
    "disabled for a time": disable_for_a_time,
    "address changed": change_address,
    "password changed elsewhere": change_password,
    "type changed": change_type,
    "privileges changed": change_privileges,
    "account deleted": remove,
}


def person(kind: str, email: str) -> User:
    user_type = kind if kind in UserType.values else UserType.CUSTOMER
    privileged = kind in {"staff", "superuser"}
    return User.objects.create_user(
        email,
        name=kind,
        user_type=user_type,
        is_staff=privileged,
        is_superuser=kind == "superuser",
    )


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(scope="module")
def ended(clients: dict[str, Client], django_db_blocker: Any) -> Iterator[dict[Ended, Client]]:
    """Return a client for each kind of user and each way in which its session ended."""
    found = {}
    with django_db_blocker.unblock():
        for number, way in enumerate(ENDS):
            for kind in PEOPLE[1:]:
                user = person(kind, f"{kind}.{number}@matrix.example")
                client = found[way, kind] = logged_in(user)
                assert client.get("/stories/").status_code == 200
                ENDS[way](user, client)
        yield found
        for user in User.objects.filter(email__endswith="@matrix.example", email__contains="."):
            if user.email[0].isalpha():
                user.delete()
        RoleChange.objects.all()._raw_delete("default")


@pytest.fixture(scope="module")
def clients(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Client]]:
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        before = filled_tables("default")
        # Access control needs no services.
        patch.setattr(feed_state.feed, "latest", patient(lambda: None))
        patch.setattr(cache.reports, "read", lambda _: None)
        patch.setattr(feed_state, "rates", patient(lambda: None))
        patch.setattr(feed_page, "content_of", lambda *_: feed_page.PageContent())
        patch.setattr(feed_page, "details", lambda *_: None)
        patch.setattr(readiness, "parts", Parts(dict.fromkeys(("database", "kafka"), str)))
        people = {kind: person(kind, f"{n}@matrix.example") for n, kind in enumerate(PEOPLE[1:])}
        with acting_as("test"):
            link = "http://a.example/"
            story = Story.objects.create(title="Shared", href=link, link=link)
        # The job and the dead letter have the story's primary key, so one example fits all URLs.
        letter = DeadLetter.objects.create(
            pk=story.pk, group="g", topic="t", partition=0, offset=0, reason="not JSON"
        )
        job = Job.objects.create(
            pk=story.pk, kind=COUNT, arguments="{}", state=JobState.DONE, asked_by="test"
        )
        found = {"anonymous": Client()}
        found |= {kind: logged_in(user) for kind, user in people.items()}
        EXAMPLES.update({"<int:pk>": str(story.pk), "<id>": str(people["customer"].pk)})
        with plain_static_files():
            yield found
        letter.delete()
        job.delete()
        story.delete()
        for user in people.values():
            user.delete()
        RoleChange.objects.all()._raw_delete("default")
        OutboxRecord.objects.all().delete()
        Session.objects.all().delete()
        assert filled_tables("default") == before, "the next test finds rows of this module"


def address(route: str) -> str:
    for part, example in EXAMPLES.items():
        route = route.replace(part, example)
    assert not re.search(r"[<>()^$]", route), f"{route} needs an example"
    return f"/{route}"


def test_every_path_has_a_row() -> None:
    assert [route for route in ROUTES if route not in MATRIX] == []


def test_every_row_has_a_path() -> None:
    assert [route for route in MATRIX if route not in ROUTES] == []


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize("route", ROUTES)
def test_path_responds_to_each_user(route: str, clients: dict[str, Client]) -> None:
    found = tuple(clients[person].get(address(route)).status_code for person in PEOPLE)
    assert dict(zip(PEOPLE, found, strict=True)) == dict(
        zip(PEOPLE, MATRIX.get(route, ()), strict=False)
    )


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize("route", ROUTES)
def test_a_script_gets_neither_the_login_page_nor_a_403(
    route: str, clients: dict[str, Client]
) -> None:
    """It would show them inside the open page."""
    for kind, client in clients.items():
        answer = client.get(address(route), headers={"HX-Request": "true"})
        place = answer.headers.get("Location", "").partition("?")[0]
        assert answer.status_code != 403, kind
        assert place not in {"/login/", "/admin/login/"}, kind


MANY = "&".join(f"f{number}=1" for number in range(10_000))
URLENCODED = "application/x-www-form-urlencoded"
PARTS = encode_multipart(BOUNDARY, {f"f{number}": "1" for number in range(1_100)})
FILE = encode_multipart(BOUNDARY, {"title": "x", "f": BytesIO(b"1" * 1_000)})
NUMBERS = "&".join(f"{name}={'9' * 1_000}" for name in ("page", "p", "partition", "offset", "time"))
QUERIES = {
    "10,000 parameters": (MANY, {414}),
    "1,100 parameters": ("&".join(["q=1"] * 1_100), None),
    "64 KB": (f"q={'x' * 65_536}", {414}),
    "8 KB": (f"status__exact={'%ff' * 2_600}", None),
    "long numbers": (NUMBERS, None),
}
FORMS = {
    "10,000 fields": (MANY, URLENCODED),
    "3 MB": (f"a={'x' * 3_000_000}", URLENCODED),
    "1,100 parts": (PARTS, MULTIPART_CONTENT),
    "a file": (FILE, MULTIPART_CONTENT),
}
NO_STREAM = 501


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize("route", ROUTES)
def test_large_requests_are_no_server_errors(route: str, clients: dict[str, Client]) -> None:
    # A separate client, because one of the pages logs the client out.
    client, url = Client(), address(route)
    client.cookies["sessionid"] = clients["superuser"].cookies["sessionid"].value
    found = {}
    for name, (query, expected) in QUERIES.items():
        status = client.get(f"{url}?{query}").status_code
        assert status in (expected or {status}), name
        found[name] = status
    for name, (body, content_type) in FORMS.items():
        found[name] = client.generic("POST", url, body, content_type).status_code
    assert {
        name: status for name, status in found.items() if status >= 500 and status != NO_STREAM
    } == {}


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize("route", ROUTES)
def test_path_treats_an_ended_session_like_no_session(
    route: str, ended: dict[Ended, Client]
) -> None:
    anonymous, *allowed = MATRIX[route]
    kinds = [kind for kind, status in zip(PEOPLE[1:], allowed, strict=True) if status != anonymous]
    found = {
        (way, kind): client.get(address(route)).status_code
        for (way, kind), client in ended.items()
        if kind in kinds
    }
    assert found == dict.fromkeys(found, anonymous)


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize("route", ROUTES)
def test_path_that_is_closed_to_a_user_also_refuses_a_post(
    route: str, clients: dict[str, Client], ended: dict[Ended, Client]
) -> None:
    row = dict(zip(PEOPLE, MATRIX[route], strict=True))
    # Logged-in users get 403. Elsewhere, 302 means for example: nothing is selected.
    refused = {
        kind: status
        for kind, status in row.items()
        if status == 403 or (status == 302 and kind == "anonymous")
    }
    if refused.get("anonymous") is None:
        return
    senders = {kind: clients[kind] for kind in refused}
    senders["ended"] = ended["password changed elsewhere", "superuser"]
    for kind, client in senders.items():
        answer = client.post(address(route), {"why": "x", "post": "yes", "confirmed": "yes"})
        expected = refused.get(kind, row["anonymous"])
        assert answer.status_code in {expected, 403, 405}, kind
        if answer.status_code == 302 and kind in {"anonymous", "ended"}:
            assert answer.headers["Location"].partition("?")[0] in LOGIN_PAGES, kind


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize("route", ROUTES)
def test_a_post_without_a_token_is_refused(route: str, clients: dict[str, Client]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = clients["superuser"].cookies
    answer = client.post(address(route), {"why": "x", "post": "yes"})
    assert answer.status_code in {403, 405}
