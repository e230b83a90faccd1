"""The user of a web request is the actor of its changes, in sync and async views."""

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
from tests.support.traces import SAMPLED, TRACE, attributes, recorded, trace_of
from users.models import User


def plain(request: HttpRequest) -> HttpResponse:
    Story.objects.create(**columns())
    return HttpResponse()


async def awaited(request: HttpRequest) -> HttpResponse:
    await Story.objects.acreate(**columns())
    return HttpResponse()


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def failing(request: HttpRequest, what: str) -> HttpResponse:
    return HttpResponse(what, status=503)


urlpatterns = [
    path("failing/<str:what>", failing),
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
def test_the_user_is_the_actor(person: User, view: str) -> None:
    client = Client(headers={"traceparent": GOOD})
    client.force_login(person)

    assert client.get(view).status_code == 200
    assert written() == (str(person.pk), GOOD)


@pytest.mark.parametrize("view", ["/plain/", "/awaited/"])
def test_without_a_login_the_actor_is_anonymous(view: str) -> None:
    Client(headers={"traceparent": "nonsense"}).get(view)

    assert written() == ("anonymous", "")


@pytest.mark.parametrize("view", ["/plain/", "/awaited/"])
def test_the_user_is_the_actor_under_asgi(person: User, view: str) -> None:
    client = AsyncClient()
    client.force_login(person)
    traced = {"traceparent": GOOD}

    assert async_to_sync(client.get)(view, headers=traced).status_code == 200
    assert written() == (str(person.pk), GOOD)


@pytest.mark.parametrize("view", ["/plain/", "/awaited/"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_span_of_the_request_is_the_trace_of_its_changes(
    view: str, kind: type[Client | AsyncClient]
) -> None:
    with recorded() as spans:
        client = kind()
        get = async_to_sync(client.get) if isinstance(client, AsyncClient) else client.get
        assert get(view, headers={"traceparent": SAMPLED}).status_code == 200
    (span,) = spans.ended
    assert (span.name, trace_of(span)) == (f"GET {view}", TRACE)
    assert span.context is not None
    expected = f"{SAMPLED[:35]}-{span.context.span_id:016x}-"
    assert written()[1].startswith(expected)


def test_a_failing_view_has_a_span_with_its_status() -> None:
    with recorded() as spans:
        assert Client().get("/failing/secret").status_code == 503
    (span,) = spans.ended
    assert span.name == "GET /failing/<str:what>"
    assert attributes(span)["http.response.status_code"] == 503
    assert "secret" not in span.to_json()


def test_the_actor_is_reset_after_the_request(person: User) -> None:
    client = Client()
    client.force_login(person)
    client.get("/plain/")
    OutboxRecord.objects.all().delete()
    Story.objects.update(title="new")

    assert written()[0] not in {str(person.pk), "anonymous"}


def test_a_request_without_changes_does_not_query_the_user(
    person: User, django_assert_num_queries: Any
) -> None:
    client = Client()
    client.force_login(person)
    with django_assert_num_queries(0):
        assert client.get("/nothing/").status_code == 200
