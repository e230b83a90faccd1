"""The demo stories, and `manage.py load_demo`."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from cdc.models import OutboxRecord
from stories.demo_calendar import moments
from stories.demo_stories import INITIAL_COUNT, demo_stories, demo_story, fill, next_number
from stories.models import Status, Story, reason_of
from users.demo import CUSTOMER
from users.models import User, UserType

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def made(count: int) -> list[Story]:
    return [demo_story(number, NOW, date) for number, date in enumerate(moments(count, NOW))]


def test_same_number_is_the_same_story() -> None:
    first, again, other = demo_story(7, NOW, NOW), demo_story(7, NOW, NOW), demo_story(8, NOW, NOW)
    assert (first.title, first.link, first.diggs) == (again.title, again.link, again.diggs)
    assert first.href != other.href
    assert first.source_id == "demo-000007"


def test_stories_are_of_the_last_year_and_valid() -> None:
    stories = made(300)
    for story in stories:
        story.full_clean(validate_unique=False)
        assert NOW - timedelta(days=366) <= story.submit_date < NOW
        assert (story.promote_date is not None) == (story.status == "popular")
        assert story.promote_date is None or story.submit_date < story.promote_date <= NOW
    dates = [story.submit_date for story in stories]
    assert dates == sorted(dates)
    assert NOW - dates[-1] < timedelta(days=3)


def test_the_stories_show_every_part_of_a_dashboard() -> None:
    stories = made(INITIAL_COUNT)
    assert {story.status for story in stories} == set(Status)
    days = Counter(story.submit_date.date() for story in stories)
    assert len(days) > 300
    assert len({story.topic["name"] for story in stories}) == 8
    assert len({story.link.split("/")[2] for story in stories}) == 12
    assert len({story.user["name"] for story in stories}) == 12
    rejected = sum(story.status == Status.REJECTED for story in stories)
    popular = sum(story.status == Status.POPULAR for story in stories)
    assert 30 < rejected < popular < INITIAL_COUNT / 2


def test_stories_that_wait_are_new() -> None:
    waiting = [each for each in made(INITIAL_COUNT) if each.status == Status.SUBMITTED]
    assert len(waiting) >= 5
    assert all(NOW - each.submit_date < timedelta(days=5) for each in waiting)


def test_days_have_a_rhythm() -> None:
    dates = moments(INITIAL_COUNT, NOW)
    hours = Counter(date.hour for date in dates)
    assert sum(hours[hour] for hour in range(6)) < sum(hours[hour] for hour in range(16, 22)) / 3
    weekend = sum(date.weekday() >= 5 for date in dates)
    assert weekend < INITIAL_COUNT / 4
    assert max(dates) < NOW
    assert moments(INITIAL_COUNT, NOW) == dates


@pytest.mark.django_db(transaction=True)
class TestFill:
    def test_creates_stories_with_an_event_each_then_none(self) -> None:
        assert (fill(NOW), fill(NOW)) == (INITIAL_COUNT, 0)
        created = demo_stories().count(), Story.objects.count(), OutboxRecord.objects.count()
        assert created == (INITIAL_COUNT,) * 3

    def test_continues_after_the_highest_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("stories.demo_stories.INITIAL_COUNT", 200)
        monkeypatch.setattr("stories.demo_stories.MIN_COUNT", 150)
        fill(NOW)
        demo_stories().filter(source_id__lt="demo-000100").delete()
        assert fill(NOW) == 99
        assert (demo_stories().count(), next_number()) == (200, 300)

    def test_a_number_that_another_process_has_just_taken_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stories.demo_stories.INITIAL_COUNT", 200)
        monkeypatch.setattr("stories.demo_stories.MIN_COUNT", 150)
        demo_story(1, NOW, NOW).save()
        outdated = iter([1])
        monkeypatch.setattr(
            "stories.demo_stories.next_number", lambda: next(outdated, None) or next_number()
        )
        assert fill(NOW) == 199
        assert (demo_stories().count(), next_number()) == (200, 201)

    def test_other_stories_are_not_demo_stories(self) -> None:
        address = "https://a.example/"
        for source_id in (None, "demo", "demo-", "demography", "1234567"):
            Story.objects.create(title="T", href=address, link=address, source_id=source_id)
        assert not demo_stories().exists()


@pytest.mark.django_db(transaction=True)
def test_load_demo_prints_logins_once(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_demo")
    first = capsys.readouterr().out
    lines = [line.split() for line in first.splitlines() if " password " in line]
    passwords = {line[0]: line[2] for line in lines}
    assert len(passwords) == 4
    for email, password in passwords.items():
        assert User.objects.get(email=email).check_password(password)
    assert set(User.objects.values_list("user_type", flat=True)) == set(UserType.values)
    assert User.objects.get(is_superuser=True).is_staff

    call_command("load_demo")
    again = capsys.readouterr().out
    assert again.count("already exists") == 4
    assert "manage.py changepassword admin@storyfeed.example" in again
    assert not any(password in again for password in passwords.values())
    assert (User.objects.count(), Story.objects.count()) == (4, INITIAL_COUNT)


@pytest.mark.django_db(transaction=True)
def test_a_customer_of_the_demo_has_stories_of_each_status() -> None:
    call_command("load_demo")
    own = Story.objects.filter(submitted_by__email=CUSTOMER)
    found = Counter(own.values_list("status", flat=True))
    assert (set(found), max(found.values())) == (set(Status.values), 3)
    assert {story.user["name"] for story in own} == {"Cleo Customer"}
    rejected = demo_stories().filter(status=Status.REJECTED)
    assert all(map(reason_of, rejected))
    assert len(set(map(reason_of, rejected))) > 1
    events = OutboxRecord.objects.count()
    call_command("load_demo")
    assert OutboxRecord.objects.count() == events
