"""Users to test with."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.support.static_files import plain_static_files
from users.mail import mail_thread
from users.models import User, UserType

PASSWORD = "correct-horse-7"


@pytest.fixture(autouse=True)
def static_files() -> Iterator[None]:
    with plain_static_files():
        yield


@pytest.fixture(autouse=True)
def no_mail_left() -> Iterator[None]:
    """Send the queued e-mails of a test before the next test, which has an outbox of its own."""
    yield
    mail_thread.submit(int).result(60)


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann@people.example", PASSWORD, name="Ann <b>")


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss@people.example", PASSWORD, name="Boss")


@pytest.fixture
def clerk(db: None) -> User:
    """Return a member of staff who may change accounts but is not a superuser."""
    clerk = User.objects.create_user(
        "clerk@people.example",
        PASSWORD,
        name="Clerk",
        is_staff=True,
        user_type=UserType.TECHNICAL_WORKER,
    )
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="users"))
    return clerk


@pytest.fixture
def as_boss(client: Client, boss: User) -> Client:
    client.force_login(boss)
    return client


def logged_in(user: User) -> Client:
    client = Client()
    assert client.post("/login/", {"username": user.email, "password": PASSWORD}).status_code == 302
    return client


def sentences(page: Any) -> list[str]:
    """Return the messages that a page shows."""
    return [str(message) for message in page.context["messages"]]
