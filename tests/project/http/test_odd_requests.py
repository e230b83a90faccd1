"""Requests that Django alone would answer with a server error, or not at all."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from tests.support.static_files import plain_static_files
from users.models import User

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-16", "utf-7", "latin-1", "idna"])
@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=b", FORM])
def test_another_encoding_is_a_bad_request(client: Client, kind: str, charset: str) -> None:
    client.force_login(User.objects.create_user("ann@people.example", name="Ann"))
    with plain_static_files():
        answer = client.generic("GET", "/stories/?q=abc", CONTENT_TYPE=f"{kind}; charset={charset}")
    assert answer.status_code == 400


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "latin-1", "idna", "unicode_escape"])
@pytest.mark.parametrize(
    "address", ["/login/", "/register/", "/nowhere/", "/admin/users/user/add/"]
)
def test_a_form_in_another_encoding_is_a_bad_request(address: str, charset: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32  # so that the token in the form is read
    with plain_static_files():
        answer = client.generic("POST", address, b"email=%ff", f"{FORM}; charset={charset}")
    assert answer.status_code == 400
    assert "text/html" in answer.headers["Content-Type"]


@pytest.mark.parametrize("charset", ["UTF8", "ascii", "us-ascii", '"utf-8 "', "u8", "no-such"])
def test_a_form_in_utf_8_is_read(client: Client, charset: str) -> None:
    with plain_static_files():
        kind = f"{FORM}; charset={charset}"
        answer = client.generic("POST", "/login/", b"username=%C3%A4%ff@a.example", kind)
        missing = client.generic("POST", "/nowhere/", b"a=b", kind)
    assert 'value="\u00e4\ufffd@a.example"' in answer.content.decode()
    assert missing.status_code == 404


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
        f"stories/story/?topic__{'a__' * 500}b=1",
    ],
)
def test_an_odd_admin_url_is_a_bad_request(client: Client, address: str) -> None:
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    with plain_static_files():
        assert client.get(f"/admin/{address}").status_code == 400


@pytest.mark.parametrize(
    "key", ["", "abc", "1.0", "1e3", "0x1", "1,2", "%00", "9" * 30, "9" * 5_000]
)
@pytest.mark.parametrize(
    ("model", "action"),
    [
        ("stories/story", "approve"),
        ("stories/story", "edit"),
        ("users/user", "delete_selected"),
        ("auth/group", "delete_selected"),
        ("axes/accessattempt", "delete_selected"),
        ("cdc/deadletter", "discard_selected"),
    ],
)
def test_an_action_for_a_forged_key_is_a_bad_request(
    client: Client, model: str, action: str, key: str
) -> None:
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    data = {"action": action, "_selected_action": ["1", key]}
    with plain_static_files():
        assert client.post(f"/admin/{model}/", data).status_code == 400
        assert client.post(f"/admin/{model}/", {**data, "post": "yes"}).status_code == 400


@pytest.mark.parametrize("key", ["9" * 18, "-1", " 1 ", "\u0661"])
def test_an_action_for_a_row_that_is_missing_does_nothing(client: Client, key: str) -> None:
    client.force_login(User.objects.create_superuser("boss@people.example", "x", name="Boss"))
    data = {"action": "approve", "_selected_action": key}
    with plain_static_files():
        assert client.post("/admin/stories/story/", data).status_code == 302
