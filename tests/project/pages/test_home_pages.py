"""The home pages: which role may open which page, and the stories for Customers."""

import pytest
from django.core.cache import cache as page_cache
from django.test import Client

from cdc.context import acting_as
from project.dashboard import cache
from stories.models import Status, Story
from tests.support.static_files import plain_static_files
from users.models import User, UserType

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", UserType)
def test_only_its_role_opens_a_home(role: UserType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.reports, "read", lambda _: None)
    client = Client()
    client.force_login(User.objects.create_user("a@people.example", name="A", user_type=role))
    expected = {f"/{other.value}/": 200 if other == role else 403 for other in UserType}
    with plain_static_files():
        assert {address: client.get(address).status_code for address in expected} == expected


def test_customers_can_dig_the_most_dug_and_the_five_newest_stories() -> None:
    page_cache.clear()
    with acting_as("test"), plain_static_files():
        reviewed = Story.objects.create(title="Reviewed", diggs=9, status=Status.POPULAR)
        newest = [Story.objects.create(title=f"New {number}") for number in range(6)]
        client = Client()
        client.force_login(User.objects.create_user("a@people.example", name="A"))
        page = client.get("/customer/").content.decode()
        shown = {story.title for story in (reviewed, *newest) if f"/{story.pk}/digg/" in page}
        assert shown == {"Reviewed", *(f"New {number}" for number in range(1, 6))}
        Story.objects.filter(pk=reviewed.pk).update(status=Status.REJECTED)
        assert "Reviewed" not in client.get("/customer/").content.decode()
