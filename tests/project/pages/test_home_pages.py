"""The home pages: which role may open which page."""

import pytest
from django.test import Client

from project.dashboard import cache
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
