"""If the database refuses a write, the page shows a sentence and keeps what was typed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, connections
from django.test import Client
from django.urls import reverse

from cdc.models import DeadLetter, Job, OperatorAction, OutboxRecord
from cdc.refusals import refusal_of
from project.pages import feed_state
from stories.models import Story
from tests.support.latest import patient
from tests.support.letters import letter_about
from tests.support.static_files import plain_static_files
from tests.users.conftest import PASSWORD
from users.models import User

pytestmark = [pytest.mark.database, pytest.mark.row_locks, pytest.mark.django_db(transaction=True)]
DEADLOCK, TOO_LARGE, CHARSET, READ_ONLY = 1213, 1153, 1366, 1290
AGAIN = "because another change is using the same rows. Try again."
TYPED = "Typed <b> ☃"
SHOWN = "Typed &lt;b&gt; ☃"


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(feed_state.feed, "latest", patient(lambda: None))
    with plain_static_files():
        yield


@contextmanager
def refusing(table: str, code: int) -> Iterator[None]:
    """Make the server refuse every write to a table with the error number `code`."""
    events = ("INSERT", "UPDATE", "DELETE")
    try:
        with connection.cursor() as cursor:
            for event in events:
                cursor.execute(
                    f"CREATE TRIGGER refuse_{event} BEFORE {event} ON {table} FOR EACH ROW "
                    f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO={code}, MESSAGE_TEXT='secret'"
                )
        yield
    finally:
        with connection.cursor() as cursor:
            for event in events:
                cursor.execute(f"DROP TRIGGER IF EXISTS refuse_{event}")


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Lock a table in a second connection, so that writes to it wait for 1 s and then fail."""
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLES {table} READ")
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION lock_wait_timeout=1, innodb_lock_wait_timeout=1")
        yield
    finally:
        other.close()
        connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page whose write the database refuses."""

    url: str
    table: str
    data: dict[str, Any] = field(default_factory=dict)
    kept: str = SHOWN
    """Text of the page that shows that the input was kept."""
    follow: bool = False


class Site:
    """A superuser, a story, and the pages that write."""

    def __init__(self) -> None:
        self.boss = User.objects.create_superuser("boss@people.example", PASSWORD, name="Boss")
        self.client = Client(raise_request_exception=False)
        self.client.force_login(self.boss)
        self.story = Story.objects.create(
            title="A lamp", href="http://a.example/", link="http://a.example/"
        )
        self.group = Group.objects.create(name="Editors")
        self.letter: DeadLetter = letter_about(self.story.pk)
        OutboxRecord.objects.all().delete()

    def post(self, page: Page) -> Any:
        client = Client(raise_request_exception=False) if page.url in STRANGERS else self.client
        return client.post(page.url, page.data, follow=page.follow)

    def admin_form(self, url: str, **changes: str) -> dict[str, Any]:
        form = self.client.get(url).context["adminform"].form
        data = {bound.html_name: bound.value() for bound in form}
        for name in ("submit_date", "promote_date"):
            moment = data.pop(name, None)
            data[f"{name}_0"] = f"{moment:%Y-%m-%d}" if moment else ""
            data[f"{name}_1"] = f"{moment:%H:%M:%S}" if moment else ""
        return {name: value for name, value in (data | changes).items() if value is not None}


@pytest.fixture
def site() -> Site:
    return Site()


STORY = {"title": TYPED, "link": "http://typed.example/", "description": "x"}
NEW_PASSWORD = {"password1": "horse-7-correct", "password2": "horse-7-correct"}
STRANGERS = ("/register/", "/login/")
CHOSEN = "a-7-b-8-c-9-d"
STORIES, USERS = "/admin/stories/story/", "/admin/users/user/"


def on_stories(site: Site, action: str, **data: str) -> dict[str, Any]:
    return {"action": action, "_selected_action": [site.story.pk], **data}


def admin_story(site: Site) -> Page:
    url = f"{STORIES}{site.story.pk}/change/"
    data = site.admin_form(url, title=TYPED)
    return Page(url=url, table="stories_story", data=data)


def new_admin_story(site: Site) -> Page:
    data = site.admin_form(f"{STORIES}{site.story.pk}/change/", title=TYPED)
    return Page(url=f"{STORIES}add/", table="stories_story", data=data)


def admin_user(site: Site) -> Page:
    url = f"{USERS}{site.boss.pk}/change/"
    data = site.admin_form(url, name="Typed ☃", is_active="on")
    return Page(url=url, table="users_user", data=data, kept="Typed ☃")


def operation(name: str, table: str) -> Callable[[Site], Page]:
    return lambda _: Page(url=reverse(name), table=table, data={"why": TYPED, "where": ""})


PAGES: dict[str, Callable[[Site], Page]] = {
    "submission": lambda _: Page(url="/stories/new/", table="stories_story", data=STORY),
    "correction": lambda site: Page(
        url=f"/stories/{site.story.pk}/change/", table="stories_story", data=STORY
    ),
    "outbox": lambda _: Page(url="/stories/new/", table="cdc_outbox", data=STORY),
    "admin add": new_admin_story,
    "admin change": admin_story,
    "admin delete": lambda site: Page(
        url=f"{STORIES}{site.story.pk}/delete/",
        table="stories_story",
        data={"post": "yes"},
        kept="Are you sure",
    ),
    "admin approve": lambda site: Page(
        url=STORIES,
        table="stories_story",
        data=on_stories(site, "approve"),
        kept="A lamp",
        follow=True,
    ),
    "admin bulk edit": lambda site: Page(
        url=STORIES,
        table="stories_story",
        data=on_stories(site, "edit", confirmed="yes", media="videos", diggs="7", status=""),
        kept='value="videos" selected',
    ),
    "admin bulk delete": lambda site: Page(
        url=STORIES,
        table="stories_story",
        data=on_stories(site, "delete_selected", post="yes"),
        kept="Are you sure",
    ),
    "admin log": lambda site: Page(
        url=f"{STORIES}{site.story.pk}/change/",
        table="django_admin_log",
        data=site.admin_form(f"{STORIES}{site.story.pk}/change/", title=TYPED),
    ),
    "user": admin_user,
    "user delete": lambda site: Page(
        url=f"{USERS}{site.boss.pk}/delete/",
        table="users_user",
        data={"post": "yes"},
        kept="Are you sure",
    ),
    "user password": lambda _: Page(
        url=f"{USERS}{User.objects.create_user('ann@people.example').pk}/password/",
        table="users_user",
        data={**NEW_PASSWORD, "usable_password": "true"},
        kept="Enter a new password",
    ),
    "group": lambda site: Page(
        url=f"/admin/auth/group/{site.group.pk}/change/",
        table="auth_group",
        data={"name": TYPED},
    ),
    "password": lambda _: Page(
        url="/password/",
        table="users_user",
        data={
            "old_password": PASSWORD,
            "new_password1": "a-7-b-8-c-9-d",
            "new_password2": "a-7-b-8-c-9-d",
        },
        kept="new_password1",
    ),
    "password reset": lambda _: Page(
        url="/password/reset/",
        table="users_resetrequest",
        data={"email": "typed@people.example"},
        kept="typed@people.example",
    ),
    "registration": lambda _: Page(
        url="/register/",
        table="users_user",
        data={"email": "new@people.example", "name": TYPED, **NEW_PASSWORD},
    ),
    "registration's session": lambda _: Page(
        url="/register/",
        table="django_session",
        data={"email": "new@people.example", "name": TYPED, **NEW_PASSWORD},
    ),
    "registration's limit": lambda _: Page(
        url="/register/",
        table="users_resetrequest",
        data={"email": "new@people.example", "name": TYPED, **NEW_PASSWORD},
    ),
    "password's limit": lambda _: Page(
        url="/password/",
        table="users_resetrequest",
        data={"old_password": "a guess", "new_password1": CHOSEN, "new_password2": CHOSEN},
        kept="new_password1",
    ),
    "login": lambda _: Page(
        url="/login/",
        table="users_user",
        data={"username": "boss@people.example", "password": PASSWORD},
        kept="boss@people.example",
    ),
    "digg": lambda site: Page(
        url=f"/stories/{site.story.pk}/digg/",
        table="stories_vote",
        data={"next": "/stories/"},
        kept="A lamp",
        follow=True,
    ),
    "pause": operation("pause", "cdc_consumer_pause"),
    "reconciliation": operation("reconcile", "cdc_job"),
    "snapshot": operation("snapshot", "cdc_operator_action"),
    "replay": lambda site: Page(
        url=f"/operations/dead_letters/{site.letter.pk}/replay/",
        table="cdc_dead_letter",
        data={"why": TYPED},
    ),
    "admin discard": lambda site: Page(
        url="/admin/cdc/deadletter/",
        table="cdc_dead_letter",
        data={
            "action": "discard_selected",
            "_selected_action": [site.letter.pk],
            "confirmed": "yes",
            "why": TYPED,
        },
    ),
}
LOCKED = ("correction", "admin change", "admin bulk delete", "registration", "pause")


def state() -> tuple[list[Any], ...]:
    """Return what no refused request may change."""
    people = User.objects.order_by("pk").values_list("email", "name", "password")
    counts = (
        Job.objects.count(),
        OperatorAction.objects.count(),
        DeadLetter.objects.filter(status="waiting").count(),
        # A replay may send a row, and fail before it records the decision.
        OutboxRecord.objects.exclude(op="r").count(),
    )
    return (
        list(people),
        list(Story.objects.values_list("title", "status", "media")),
        list(Group.objects.values_list("name")),
        list(counts),
    )


@pytest.mark.parametrize("name", PAGES)
def test_a_deadlock_is_a_sentence_on_the_page(site: Site, name: str) -> None:
    page, before = PAGES[name](site), state()
    with refusing(page.table, DEADLOCK):
        answer = site.post(page)
    text = answer.content.decode()
    assert AGAIN in text
    assert page.kept in text
    assert "secret" not in text
    assert answer.status_code in {200, 409}
    assert state() == before


@pytest.mark.parametrize("name", LOCKED)
def test_a_lock_wait_is_a_sentence_on_the_page(site: Site, name: str) -> None:
    page, before = PAGES[name](site), state()
    with locked(page.table):
        answer = site.post(page)
    text = answer.content.decode()
    assert AGAIN in text
    assert page.kept in text
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    assert state() == before


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        (TOO_LARGE, 200, "Shorten the text."),
        (CHARSET, 200, "the database cannot store one of the values. Correct it."),
        (READ_ONLY, 503, "the database is not available. Try again in a moment."),
        (1040, 503, "the database is not available."),
        (1062, 409, "a row was saved or deleted in the meantime."),
        (1452, 409, "a row was saved or deleted in the meantime."),
        (1406, 200, "the database cannot store one of the values."),
        (4000, 503, "the database refused the change."),
    ],
)
@pytest.mark.parametrize("name", ["submission", "admin change"])
def test_each_refusal_has_its_sentence(
    site: Site, name: str, code: int, status: int, sentence: str
) -> None:
    page = PAGES[name](site)
    with refusing(page.table, code):
        answer = site.post(page)
    text = answer.content.decode()
    assert sentence in text
    assert page.kept in text
    assert answer.status_code == status


def test_a_refused_login_leaves_the_user_logged_out(site: Site) -> None:
    client = Client()
    page = PAGES["login"](site)
    with refusing(page.table, DEADLOCK):
        client.post(page.url, page.data)
    assert client.get("/stories/").status_code == 302
    assert client.post(page.url, page.data).status_code == 302
    assert client.get("/stories/").status_code == 200


def test_a_refused_attempt_is_not_examined(site: Site) -> None:
    page = PAGES["password's limit"](site)
    with refusing(page.table, DEADLOCK):
        answer = site.post(page)
    assert "incorrectly" not in answer.content.decode()


def test_a_page_without_database_has_status_503(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "PORT", 1)
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)
    connection.close()
    reads, writes = site.client.get("/stories/"), site.client.post("/stories/new/", STORY)
    for answer in (reads, writes):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "The database is not responding. Try again in a moment." in reads.content.decode()
    assert "Nothing was changed, because the database is not" in writes.content.decode()


@pytest.mark.parametrize("query", ["container__contains=1", "title__icontains=%00", "id__in=9e9"])
def test_a_filter_of_any_kind_is_no_server_error(site: Site, query: str) -> None:
    assert site.client.get(f"{STORIES}?{query}").status_code < 500


def test_an_unknown_error_of_the_database_has_a_sentence_too() -> None:
    assert "refused the change" in refusal_of(OperationalError("x")).sentence
