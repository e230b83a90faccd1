"""Sessions that have ended are deleted."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.db.models.query import QuerySet
from django.test import Client
from django.utils import timezone

from tests.users.conftest import PASSWORD, logged_in
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def add_sessions(number: int, *, hours: int) -> None:
    """Add sessions that end `hours` hours from now."""
    ends = timezone.now() + timedelta(hours=hours)
    Session.objects.bulk_create(
        Session(session_key=f"{hours}-{each}", session_data="", expire_date=ends)
        for each in range(number)
    )


@pytest.mark.database
def test_a_login_deletes_the_sessions_that_have_ended(ann: User) -> None:
    add_sessions(3, hours=-1)
    add_sessions(2, hours=1)
    client = logged_in(ann)
    keys = set(Session.objects.values_list("pk", flat=True))
    assert keys == {"1-0", "1-1", client.session.session_key}


def test_a_login_deletes_few_sessions_and_the_oldest_first(ann: User) -> None:
    add_sessions(60, hours=-1)
    add_sessions(70, hours=-2)
    logged_in(ann)
    ended = Session.objects.filter(expire_date__lt=timezone.now())
    assert set(ended.values_list("pk", flat=True)) < {f"-1-{each}" for each in range(60)}
    assert ended.count() == 30
    logged_in(ann)
    assert not ended.exists()


def test_a_login_succeeds_if_old_sessions_cannot_be_deleted(
    ann: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    delete = QuerySet.delete

    def refuse(rows: Any) -> Any:
        if rows.model is Session:
            raise OperationalError(1213, "Deadlock found when trying to get lock")
        return delete(rows)

    add_sessions(1, hours=-1)
    client = Client()
    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "delete", refuse)
        data = {"username": ann.email, "password": PASSWORD}
        assert client.post("/login/", data).status_code == 302
    assert client.get("/customer/").status_code == 200
    assert "Deadlock found" in caplog.text
