"""Changing a password, and setting a new one by e-mail."""

import re

import pytest
from django.core import mail
from django.test import Client

from tests.users.conftest import PASSWORD
from users.models import User

pytestmark = pytest.mark.django_db
NEW = "another-long-42"


def logged_in(user: User) -> Client:
    client = Client()
    assert client.post("/login/", {"username": user.email, "password": PASSWORD}).status_code == 302
    return client


def test_change_keeps_this_session_and_ends_the_others(ann: User) -> None:
    here, there = logged_in(ann), logged_in(ann)
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    page = here.post("/password/", data, follow=True)
    assert "Your password was changed." in page.content.decode()
    assert here.get("/customer/").status_code == 200
    assert there.get("/customer/").status_code == 302
    ann.refresh_from_db()
    assert ann.check_password(NEW)


def test_change_asks_for_the_old_password(ann: User) -> None:
    data = {"old_password": "guess", "new_password1": NEW, "new_password2": NEW}
    assert "old_password" in logged_in(ann).post("/password/", data).context["form"].errors
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)


def mailed_link(client: Client, email: str) -> str:
    client.post("/password/reset/", {"email": email})
    body = str(mail.outbox[0].body)
    found = re.search(r"http://testserver(/password/reset/\S+)", body)
    assert found, body
    return found[1]


def test_reset_by_mail_works_once_and_ends_sessions(client: Client, ann: User) -> None:
    there = logged_in(ann)
    link = mailed_link(client, "Ann@People.example")
    assert mail.outbox[0].to == [ann.email]
    form = client.get(link, follow=True)
    to = form.redirect_chain[-1][0]
    answer = client.post(to, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert "Your new password is set." in answer.content.decode()
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert there.get("/customer/").status_code == 302
    assert "used already" in Client().get(link, follow=True).content.decode()


def test_reset_answers_the_same_for_an_unknown_address(client: Client, ann: User) -> None:
    def said(email: str) -> str:
        page = Client().post("/password/reset/", {"email": email}, follow=True).content.decode()
        return re.sub(r'value="[^"]{40,}"', "", page)

    assert said(ann.email) == said("nobody@people.example")
    assert len(mail.outbox) == 1


def test_weak_password_is_refused(client: Client, ann: User) -> None:
    to = client.get(mailed_link(client, ann.email), follow=True).redirect_chain[-1][0]
    answer = client.post(to, {"new_password1": "12345678", "new_password2": "12345678"})
    assert "too common" in answer.content.decode()
