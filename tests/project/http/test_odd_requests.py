"""Requests that Django alone would answer with an error of the server, or not at all."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from tests.support.static_files import plain_static_files
from users.models import User

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-16", "utf-7", "latin-1", "idna"])
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=b", FORM])
def test_another_encoding_is_a_bad_request(client: Client, kind: str, charset: str) -> None:
    client.force_login(User.objects.create_user("ann@people.example", name="Ann"))
    with plain_static_files():
        answer = client.generic("GET", "/stories/?q=abc", CONTENT_TYPE=f"{kind}; charset={charset}")
    assert answer.status_code == 400


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "us-ascii", "no-such-encoding", '"utf-8"'])
def test_utf_8_is_accepted(client: Client, charset: str) -> None:
    with plain_static_files():
        answer = client.generic("GET", "/login/", CONTENT_TYPE=f"{FORM}; charset={charset}")
    assert answer.status_code == 200


@pytest.mark.parametrize("charset", ["hex", "rot13", "base64", "undefined", "idna"])
def test_an_encoding_that_is_no_text_is_a_bad_request(charset: str) -> None:
    """Django's WSGI handler cannot even create this request; the site has an ASGI handler."""
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    with plain_static_files():
        assert async_to_sync(status_of_a_post)(kind) == 400


async def status_of_a_post(kind: str) -> int:
    answer = await AsyncClient().generic("POST", "/login/?next=%C3", b"--b--", kind)
    return int(answer.status_code)


@pytest.mark.parametrize("length", ["x", "-1", "1.5", "9" * 5_000, "\u0663"])
def test_a_length_that_is_no_number_is_a_bad_request(client: Client, length: str) -> None:
    with plain_static_files():
        answer = client.generic("POST", "/login/", b"a=1", FORM, CONTENT_LENGTH=length)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "users/user/1/change/?_to_field=",
        "auth/group/?_to_field=&_popup=1",
        "axes/accessattempt/1/delete/?_to_field=",
        "stories/story/?title__regex=(a%2B)%2B%24",
        "cdc/deadletter/?reason__iregex=[[[",
        "stories/story/?status__range=7",
        "stories/story/?submit_date__year=99999999999999999999",
        "axes/accessattempt/?attempt_time__iso_year=99999999999999999999",
        "cdc/deadletter/?key=1",
        "cdc/deadletter/?key__in=1",
    ],
)
def test_an_odd_admin_url_is_a_bad_request(client: Client, address: str) -> None:
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    with plain_static_files():
        assert client.get(f"/admin/{address}").status_code == 400
