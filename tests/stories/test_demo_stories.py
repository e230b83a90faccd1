"""The demo stories, and `manage.py load_demo`."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from cdc.models import OutboxRecord
from stories.demo_stories import demo_stories, demo_story, fill, next_number
from stories.models import Story
from users.models import User, UserType

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_same_number_is_the_same_story() -> None:
    first, again, other = demo_story(7, NOW), demo_story(7, NOW), demo_story(8, NOW)
    assert (first.title, first.link, first.diggs) == (again.title, again.link, again.diggs)
    assert first.href != other.href
    assert first.source_id == "demo-000007"


def test_stories_are_recent_and_valid() -> None:
    for number in range(300):
        story = demo_story(number, NOW)
        story.full_clean(validate_unique=False)
        assert NOW - timedelta(days=30) <= story.submit_date < NOW
        assert (story.promote_date is not None) == (story.status == "popular")
        assert story.promote_date is None or story.submit_date < story.promote_date <= NOW


@pytest.mark.django_db(transaction=True)
class TestFill:
    def test_creates_200_with_an_event_each_then_none(self) -> None:
        assert (fill(NOW), fill(NOW)) == (200, 0)
        assert (
            demo_stories().count() == Story.objects.count() == OutboxRecord.objects.count() == 200
        )

    def test_continues_after_the_highest_number(self) -> None:
        fill(NOW)
        demo_stories().filter(source_id__lt="demo-000100").delete()
        assert fill(NOW) == 99
        assert (demo_stories().count(), next_number()) == (200, 300)

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
    assert (User.objects.count(), Story.objects.count()) == (4, 200)
