"""Submissions: their submitter withdraws them, and staff approve or reject them with a reason."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import OperationalError
from django.test import Client

from cdc.context import acting_as
from cdc.models import OutboxRecord
from stories.actions import review
from stories.actions.reasons import COMMON_REASONS
from stories.bulk.shown import code_of
from stories.models import Rejection, Status, Story, Vote
from tests.support.fuzzing import Fields
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_static_files():
        yield


def person(name: str, **values: Any) -> tuple[User, Client]:
    user = User.objects.create_user(f"{name}@people.example", name=name, **values)
    client = Client()
    client.force_login(user)
    return user, client


def reviewer() -> tuple[User, Client]:
    user, client = person("rita", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_story"))
    return user, client


@pytest.fixture
def ann() -> tuple[User, Client]:
    return person("ann")


@pytest.fixture
def story(ann: tuple[User, Client]) -> Story:
    with acting_as("test"):
        made = Story.objects.create(
            title="A heron", href="http://a.example/", link="http://a.example/", submitted_by=ann[0]
        )
    OutboxRecord.objects.all().delete()
    return made


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def decide(client: Client, path: str, **data: str) -> Any:
    """Open a page that asks, and press its button."""
    shown = {"shown": Fields(page(client, path)).values.get("shown", "")}
    return client.post(path, {**shown, **data})


def events() -> list[tuple[str, str]]:
    return [(record.op, record.user) for record in OutboxRecord.objects.order_by("id")]


def test_a_submission_is_withdrawn_until_it_is_reviewed(
    ann: tuple[User, Client], story: Story
) -> None:
    user, client = ann
    path = f"/stories/{story.pk}/withdraw/"
    assert path in page(client, "/stories/mine/")
    assert path in page(client, f"/stories/{story.pk}/")
    assert "A heron" in page(client, path)
    assert person("bob")[1].post(path).status_code == 403
    Vote.objects.create(story=story, user=user)
    Rejection.objects.create(story=story, reason="x", by=user)

    Story.objects.update(status=Status.UPCOMING)
    assert path not in page(client, "/stories/mine/")
    assert client.post(path).status_code == 403
    Story.objects.update(status=Status.SUBMITTED)
    OutboxRecord.objects.all().delete()

    shown = client.post(path, follow=True).content.decode()
    assert "The story was withdrawn." in shown
    assert "You have not submitted a story yet." in shown
    assert events() == [("d", str(user.pk))]
    assert not Vote.objects.exists()
    assert client.post(path).status_code == 404


def test_a_rejected_story_is_a_page_for_its_submitter_with_the_reason(
    ann: tuple[User, Client], story: Story
) -> None:
    user, staff = reviewer()
    path = f"/stories/{story.pk}/reject/"
    assert path in page(staff, f"/stories/{story.pk}/")
    for reason in ("", "  ", "a\0", "x" * 501):
        assert staff.post(path, {"reason": reason}).context["form"].errors, reason
    assert Story.objects.get().status == Status.SUBMITTED

    shown = decide(staff, path, reason="Seen <before>.")
    assert shown.status_code == 302
    assert events() == [("u", str(user.pk))]
    assert LogEntry.objects.get().change_message == "Rejected. Seen <before>."
    for own in (f"/stories/{story.pk}/", "/stories/mine/"):
        assert "Reason: <bdi>Seen &lt;before&gt;.</bdi>" in page(ann[1], own)
    assert "A heron" in page(ann[1], "/stories/?status=rejected")
    assert "A heron" not in page(ann[1], "/stories/")

    again = page(staff, path)
    assert ("Change the reason?" in again, "Reject this story?" in again) == (True, False)
    decide(staff, path, reason="Spam.")
    shown_next = page(staff, f"/stories/{story.pk}/")
    assert "The reason was changed." in shown_next
    assert "Change the reason…</a>" in shown_next
    assert "Reason: <bdi>Spam.</bdi>" in page(ann[1], f"/stories/{story.pk}/")
    assert len(events()) == 1, "only the reason was changed"


def test_buttons_that_open_a_further_step_end_with_an_ellipsis(
    ann: tuple[User, Client], story: Story
) -> None:
    path = f"/stories/{story.pk}/"
    for own in (path, "/stories/mine/"):
        assert ">Withdraw…</a>" in page(ann[1], own)
    shown = page(reviewer()[1], path)
    for word in ("Approve", "Reject"):
        assert f">{word}…</a>" in shown


@pytest.mark.parametrize("target", ["//evil.example/", "http://evil.example/", "javascript:1"])
def test_a_decision_leads_to_no_other_site(story: Story, target: str) -> None:
    _, staff = reviewer()
    path = f"/stories/{story.pk}/reject/?next={target}"
    assert target not in page(staff, path).split("<main")[1]
    answer = decide(staff, path, reason="Spam.")
    assert answer.headers["Location"] == f"/stories/{story.pk}/"


def reason_in(page: str) -> str:
    # HTML ignores the first line break of a text area.
    return Fields(page).values["reason"].removeprefix("\n")


def test_a_common_reason_fills_in_the_form_without_a_script(
    ann: tuple[User, Client], story: Story
) -> None:
    _, staff = reviewer()
    path = f"/stories/{story.pk}/reject/"
    decide(staff, path, reason="Seen before.")
    shown = page(staff, path)
    for each in COMMON_REASONS:
        assert f'href="?preset={each.key}"' in shown
        assert reason_in(page(staff, f"{path}?preset={each.key}")) == each.text
    assert reason_in(page(staff, f"{path}?preset=zebra")) == "Seen before."
    assert decide(staff, f"{path}?preset=spam", reason=COMMON_REASONS[0].text).status_code == 302
    assert f"Reason: <bdi>{COMMON_REASONS[0].text}</bdi>" in page(ann[1], f"/stories/{story.pk}/")
    assert "?preset=" not in page(staff, f"/stories/{story.pk}/approve/")


@pytest.mark.parametrize(
    ("role", "status", "trace"),
    [
        (UserType.CUSTOMER, 404, 403),
        (UserType.TECHNICAL_WORKER, 200, 200),
        (UserType.SENIOR_MANAGEMENT, 200, 200),
    ],
)
def test_a_rejected_story_is_a_page_for_readers_of_the_feed(
    story: Story, role: UserType, status: int, trace: int
) -> None:
    Story.objects.update(status=Status.REJECTED)
    _, client = person("tom", user_type=role)
    assert client.get(f"/stories/{story.pk}/").status_code == status
    assert client.get(f"/stories/{story.pk}/way/").status_code == trace
    assert ("A heron" in page(client, "/stories/?status=rejected")) == (status == 200)


def test_an_approved_story_is_popular_and_has_no_reason(
    ann: tuple[User, Client], story: Story
) -> None:
    _, staff = reviewer()
    decide(staff, f"/stories/{story.pk}/reject/", reason="Too short.")
    path = f"/stories/{story.pk}/approve/"
    assert path in page(staff, f"/stories/{story.pk}/")
    assert "A heron" in page(staff, path)
    decide(staff, path)
    story.refresh_from_db()
    assert (story.status, story.promote_date is None) == (Status.POPULAR, False)
    assert not Rejection.objects.exists()
    assert "Too short." not in page(ann[1], f"/stories/{story.pk}/")
    assert "was already popular" in staff.post(path, follow=True).content.decode()


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_a_decision_that_is_not_stored_is_not_in_the_log(
    story: Story, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    def deadlock(*_: Any) -> int:
        raise OperationalError(1213, "Deadlock found when trying to get lock")

    monkeypatch.setattr("stories.bulk.changes._update", deadlock)
    answer = decide(reviewer()[1], f"/stories/{story.pk}/{action}/", reason="Spam.")
    assert (answer.status_code, Story.objects.get().status) == (409, Status.SUBMITTED)
    assert not LogEntry.objects.exists()
    assert not Rejection.objects.exists()


OTHERWISE: list[dict[str, Any]] = [
    {"link": "http://evil.example/"},
    {"title": "Other"},
    {"topic": {"name": "Other"}},
    {"description": "Other"},
    {"status": Status.UPCOMING},
]


@pytest.mark.parametrize("action", ["approve", "reject"])
@pytest.mark.parametrize("change", OTHERWISE)
def test_only_what_was_shown_is_approved_or_rejected(
    story: Story, action: str, change: dict[str, Any]
) -> None:
    path = f"/stories/{story.pk}/{action}/"
    _, staff = reviewer()
    shown = {**Fields(page(staff, path)).values, "reason": "Spam."}
    Story.objects.update(**change)
    OutboxRecord.objects.all().delete()

    answer = staff.post(path, shown)
    again = answer.content.decode()
    assert "Nothing was changed." in again
    assert "in the meantime. Check what is shown now" in again
    (value,) = change.values()
    assert str(value["name"] if isinstance(value, dict) else value) in again.lower() + again
    assert (events(), Rejection.objects.count()) == ([], 0)
    assert not LogEntry.objects.exists()

    assert staff.post(path, {**Fields(again).values, "reason": "Spam."}).status_code == 302
    assert len(events()) == 1


def test_a_decision_of_the_meantime_is_shown_first(ann: tuple[User, Client], story: Story) -> None:
    _, staff = reviewer()
    path = f"/stories/{story.pk}/approve/"
    shown = Fields(page(staff, path)).values
    review.reject(ann[0], story.pk, "Spam.", code_of(story))
    assert "in the meantime" in staff.post(path, shown).content.decode()
    assert Rejection.objects.get().reason == "Spam."


def test_a_decision_without_what_was_shown_asks_first(story: Story) -> None:
    _, staff = reviewer()
    answer = staff.post(f"/stories/{story.pk}/approve/")
    assert "in the meantime" in answer.content.decode()
    assert events() == []


def test_only_staff_who_may_change_stories_review_them(
    ann: tuple[User, Client], story: Story
) -> None:
    others = (
        ann[1],
        person("sam", is_staff=True)[1],
        person("tom", user_type=UserType.TECHNICAL_WORKER)[1],
    )
    for client in others:
        for action in ("approve", "reject"):
            path = f"/stories/{story.pk}/{action}/"
            assert client.post(path, {"reason": "No."}).status_code == 403
            assert path not in page(client, f"/stories/{story.pk}/")
    assert events() == []


def test_a_rejection_outlives_the_account_of_the_reviewer(
    ann: tuple[User, Client], story: Story
) -> None:
    user, staff = reviewer()
    decide(staff, f"/stories/{story.pk}/reject/", reason="Too short.")
    user.delete()
    assert "Too short." in page(ann[1], f"/stories/{story.pk}/")


def test_my_submissions_are_mine(ann: tuple[User, Client], story: Story) -> None:
    assert "A heron" not in page(person("bob")[1], "/stories/mine/")
    assert "A heron" in page(ann[1], "/customer/")
    for number in range(20):
        Story.objects.create(title=f"S{number}", link="http://x.example/", submitted_by=ann[0])
    assert "A heron" in page(ann[1], "/stories/mine/?page=2")


def test_my_submissions_are_selected_by_state(ann: tuple[User, Client], story: Story) -> None:
    path = "/stories/mine/"
    assert "?status=" not in page(ann[1], path)
    for number in range(21):
        Story.objects.create(
            title=f"Popular {number}",
            link="http://x.example/",
            submitted_by=ann[0],
            status=Status.POPULAR,
        )
    shown = page(ann[1], path)
    assert 'All <span class="sf-number">22</span>' in shown
    assert 'Submitted <span class="sf-number">1</span>' in shown
    assert "?status=rejected" not in shown
    waiting, popular = (page(ann[1], f"{path}?status={each}") for each in ("submitted", "popular"))
    assert ("A heron" in waiting, "Popular 20" in waiting) == (True, False)
    assert ("A heron" in popular, "Popular 20" in popular) == (False, True)
    assert "?status=popular&amp;page=2" in popular
    assert "No submission has this status." in page(ann[1], f"{path}?status=rejected")
    unknown = page(ann[1], f"{path}?status=<b>")
    assert "“<bdi>&lt;b&gt;</bdi>” is not a status." in unknown
    assert "Popular 20" not in unknown
    assert "?status=submitted" in unknown
    assert 'aria-current="true">All' in shown
    assert 'aria-current="true"' not in unknown
    assert "Popular 20" in page(ann[1], f"{path}?status=%20POPULAR")
