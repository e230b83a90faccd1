"""Changes of a web request are its user's, in sync and async views."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from cdc.models import OutboxRecord
from stories.models import Story
from tests.cdc.capture.world import columns
from tests.cdc.test_context import GOOD
from users.models import User


def plain(request: HttpRequest) -> HttpResponse:
    Story.objects.create(**columns())
    return HttpResponse()


async def awaited(request: HttpRequest) -> HttpResponse:
    await Story.objects.acreate(**columns())
    return HttpResponse()


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [
    path("plain/", plain),
    path("awaited/", awaited),
    path("nothing/", nothing),
]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def written() -> tuple[str, str]:
    record = OutboxRecord.objects.get()
    return record.user, record.traceparent


@pytest.fixture
def person() -> User:
    return User.objects.create_user(email="kim@example.com", password="x", name="Kim")


@pytest.mark.parametrize("view", ["/plain/", "/awaited/"])
def test_a_change_is_the_user_s(person: User, view: str) -> None:
    client = Client(headers={"traceparent": GOOD})
    client.force_login(person)

    assert client.get(view).status_code == 200
    assert written() == (str(person.pk), GOOD)


@pytest.mark.parametrize("view", ["/plain/", "/awaited/"])
def test_nobody_is_named_as_such(view: str) -> None:
    Client(headers={"traceparent": "nonsense"}).get(view)

    assert written() == ("anonymous", "")


@pytest.mark.parametrize("view", ["/plain/", "/awaited/"])
def test_under_asgi_too(person: User, view: str) -> None:
    client = AsyncClient()
    client.force_login(person)
    traced = {"traceparent": GOOD}

    assert async_to_sync(client.get)(view, headers=traced).status_code == 200
    assert written() == (str(person.pk), GOOD)


def test_after_the_request_nobody_acts(person: User) -> None:
    client = Client()
    client.force_login(person)
    client.get("/plain/")
    OutboxRecord.objects.all().delete()
    Story.objects.update(title="new")

    assert written()[0] not in {str(person.pk), "anonymous"}


def test_a_request_that_changes_nothing_asks_for_no_user(
    person: User, django_assert_num_queries: Any
) -> None:
    client = Client()
    client.force_login(person)
    with django_assert_num_queries(0):
        assert client.get("/nothing/").status_code == 200
