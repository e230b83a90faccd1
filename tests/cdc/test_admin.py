"""The tables of `cdc` in the admin are read-only, except for decisions about dead letters."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings

from cdc.errors import Refused
from cdc.models import DeadLetter, Epoch, OperatorAction, OutboxRecord
from cdc.pages import RefusalMessages
from stories.models import Story
from tests.support.feed_settings import without_servers
from tests.support.letters import letter, letter_about
from tests.support.static_files import plain_static_files
from users.models import User

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
LIST = "/admin/cdc/deadletter/"
HOSTILE = "<script>alert(1)</script>\x00\u202e\u2066' onload=alert(1) {{ 7|add:7 }}"


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_static_files(), override_settings(CDC=without_servers()):
        yield


def login(client: Client, *permissions: str) -> User:
    user = User.objects.create_user(
        "staff@people.example", "x", name="Staff", is_staff=True, user_type="technical_worker"
    )
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return user


@pytest.fixture
def boss(client: Client) -> User:
    return login(client, "view_deadletter", "resolve_deadletter", "view_operatoraction")


def post(client: Client, action: str, letters: list[DeadLetter], **data: str) -> str:
    named = {"action": f"{action}_selected", "_selected_action": [item.pk for item in letters]}
    return client.post(LIST, {**named, **data}, follow=True).content.decode()


def test_a_letter_is_replayed_after_a_confirmation(client: Client, boss: User) -> None:
    story = Story.objects.create(title="as it is", href="http://example.org/")
    OutboxRecord.objects.all().delete()
    about = letter_about(story.pk)

    confirmation = post(client, "replay", [about])
    assert "Replay 1 dead letter" in confirmation
    assert "This field is required" in post(client, "replay", [about], confirmed="yes", why=" ")
    assert not OutboxRecord.objects.exists()

    page = post(client, "replay", [about], confirmed="yes", why="wider now")

    assert "1 dead letter was replayed." in page
    assert boss.email in page
    assert OutboxRecord.objects.get().op == "r"
    action = OperatorAction.objects.get()
    assert (action.who, action.why) == (str(boss.pk), "wider now")
    log = client.get("/admin/cdc/operatoraction/").content.decode()
    assert boss.email in log
    assert "wider now" in log


def test_many_are_discarded_at_once(client: Client, boss: User) -> None:
    letters = [letter() for _ in range(600)]

    confirmation = post(client, "discard", letters[:1], select_across="1")
    assert "and 580 more" in confirmation
    assert "A change that was not applied stays missing until its row changes again" in confirmation
    page = post(client, "discard", letters[:1], select_across="1", confirmed="yes", why="noise")

    assert "600 dead letters were discarded." in page
    assert OperatorAction.objects.count() == 600


def test_a_refused_replay_is_reported(client: Client, boss: User) -> None:
    stray = letter(key=b"?")

    page = post(client, "replay", [stray], confirmed="yes", why="try")

    assert "was not replayed. The key of the message does not identify a row" in page


def test_hostile_bytes_are_escaped(client: Client, boss: User) -> None:
    raw = HOSTILE.encode() + b"\xff" * 10_000
    nasty = letter(key=raw, value=raw, reason=HOSTILE)
    table = letter(value=b'{"source":{"table":"\\u202e<b>x"}}')

    pages = [
        client.get(address).content.decode()
        for address in (LIST, f"{LIST}{nasty.pk}/change/", f"{LIST}{table.pk}/change/")
    ]
    pages.append(post(client, "discard", [nasty]))

    for page in pages:
        assert "<script>alert" not in page
        assert "<b>x" not in page
        assert not set("\x00\u202e\u2066") & set(page)
        assert len(page) < 80_000
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x00\\u202e\\u2066" in pages[1]


def test_the_pages_have_no_inline_script_or_style(client: Client, boss: User) -> None:
    about = letter_about(1)

    for page in (
        client.get(f"{LIST}{about.pk}/change/").content.decode(),
        post(client, "replay", [about]),
    ):
        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        scripts = [part.split(">", 1) for part in page.split("<script")[1:]]
        assert all("src=" in head or not body.split("</script", 1)[0] for head, body in scripts)


def test_a_letter_is_shown_beside_its_row_and_replica(client: Client, boss: User) -> None:
    story = Story.objects.create(title="as it is", href="http://example.org/")
    about = letter_about(story.pk)

    page = client.get(f"{LIST}{about.pk}/change/").content.decode()

    assert "as the message has it" in page
    assert "as it is" in page
    assert "The replica could not be read. MONGODB_URI is not set" in page
    assert 'value="replay_selected"' in page


def test_staff_without_the_permission_can_only_look(client: Client) -> None:
    login(client, "view_deadletter")
    about = letter_about(1)

    assert "selected_action" not in client.get(f"{LIST}{about.pk}/change/").content.decode()
    assert "Replay selected" not in client.get(LIST).content.decode()
    post(client, "discard", [about], confirmed="yes", why="mine")
    assert DeadLetter.objects.get().status == "waiting"
    assert not OperatorAction.objects.exists()


@pytest.mark.parametrize("name", ["deadletter", "operatoraction", "outboxrecord", "epoch"])
def test_even_a_superuser_cannot_edit_the_feeds_rows(client: Client, name: str) -> None:
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    about = letter()
    post(client, "discard", [about], confirmed="yes", why="noise")
    Story.objects.create(title="as it is", href="http://example.org/")
    Epoch.objects.get_or_create(defaults={"value": 1})
    models = (DeadLetter, OperatorAction, OutboxRecord, Epoch)
    row = next(model for model in models if model._meta.model_name == name).objects.first()
    assert row is not None
    here = f"/admin/cdc/{name}/"

    assert client.get(here).status_code == 200
    assert client.get(f"{here}{row.pk}/change/").status_code == 200
    assert client.get(f"{here}?q=1").status_code == 200
    assert client.get(f"{here}add/").status_code == 403
    assert client.post(f"{here}{row.pk}/change/", {}).status_code == 403
    assert client.post(f"{here}{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_outbox_row_is_escaped(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    Story.objects.create(title="<script>\u202e", href="http://example.org/")
    row = OutboxRecord.objects.get()

    page = client.get(f"/admin/cdc/outboxrecord/{row.pk}/change/").content.decode()

    assert "&lt;script&gt;\\u202e" in page


class TwoWrites(admin.ModelAdmin[Any]):
    def changelist_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        Story.objects.create(title="first", href="http://example.org/")
        raise Refused("The second one cannot be sent.")


class Shown(RefusalMessages, TwoWrites):
    said: ClassVar[list[str]] = []

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **_: Any) -> None:
        self.said.append(str(message))


def test_a_refused_action_is_a_message_and_changes_nothing(rf: RequestFactory) -> None:
    shown = Shown(Story, admin.site)

    answer = shown.changelist_view(rf.post("/admin/stories/story/"))

    assert (answer.status_code, answer["Location"]) == (302, "/admin/stories/story/")
    assert shown.said == ["Nothing was changed. The second one cannot be sent."]
    assert not Story.objects.exists()
    with pytest.raises(Refused):  # A redirect to the page itself would be an endless loop.
        shown.changelist_view(rf.get("/admin/stories/story/"))
