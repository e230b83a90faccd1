"""Changing a password, and setting a new one by e-mail."""

import re
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from tests.users.conftest import PASSWORD
from users.models import ResetRequest, User
from users.password_reset import MOST_FROM_ADDRESS, WINDOW, may_ask, post_office

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


def ask(email: str, address: str = "198.51.100.7") -> str:
    client = Client()
    answer = client.post("/password/reset/", {"email": email}, REMOTE_ADDR=address, follow=True)
    return re.sub(r'value="[^"]{40,}"', "", answer.content.decode())


def mails() -> list[str]:
    """Who was mailed, when all that waits is sent."""
    post_office.submit(int).result(30)
    return [to for sent in mail.outbox for to in sent.to]


def mailed_link(email: str) -> str:
    ask(email)
    assert len(mails()) == 1
    body = str(mail.outbox[0].body)
    found = re.search(r"http://testserver(/password/reset/\S+)", body)
    assert found, body
    return found[1]


def test_reset_by_mail_works_once_and_ends_sessions(client: Client, ann: User) -> None:
    there = logged_in(ann)
    link = mailed_link("Ann@People.example")
    assert mail.outbox[0].to == [ann.email]
    form = client.get(link, follow=True)
    to = form.redirect_chain[-1][0]
    answer = client.post(to, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert "Your new password is set." in answer.content.decode()
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert there.get("/customer/").status_code == 302
    assert "used already" in Client().get(link, follow=True).content.decode()


def test_reset_answers_the_same_for_an_unknown_address(ann: User) -> None:
    assert ask(ann.email) == ask("nobody@people.example")
    assert mails() == [ann.email]


def test_answer_does_not_wait_for_the_mail_server(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(EmailMessage, "send", lambda _: answered.wait(30))
    ask(ann.email)
    answered.set()
    assert mails() == []


def test_mail_that_cannot_be_sent_is_nobodys_error(
    ann: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: EmailMessage) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMessage, "send", refuse)
    assert "a link is on its way" in ask(ann.email)
    assert mails() == []
    assert "Failed to send password reset email" in caplog.text
    assert ann.email not in caplog.text


def test_an_account_gets_few_mails_and_the_answer_stays(ann: User) -> None:
    said = {ask(email, f"198.51.100.{n}") for n in range(3) for email in (ann.email, " ANN@x.org")}
    said |= {ask("ANN@people.example", f"203.0.113.{n}") for n in range(3)}
    assert len(said) == 1
    assert mails() == [ann.email] * 3


def test_one_address_asks_for_few_mails(ann: User, boss: User) -> None:
    for number in range(MOST_FROM_ADDRESS):
        ask(f"{number}@people.example")
    ask(ann.email)
    ask(boss.email, "203.0.113.9")
    assert mails() == [boss.email]


def test_forged_header_does_not_evade_the_limit(ann: User) -> None:
    for number in range(MOST_FROM_ADDRESS):
        may_ask(f"{number}@people.example", "127.0.0.1")
    Client().post("/password/reset/", {"email": ann.email}, headers={"X-Forwarded-For": "1.2.3.4"})
    assert mails() == []


@pytest.mark.parametrize(
    "email", ["{}\nBcc: spy@x.org", "{}, spy@x.org", "{}\0", "<script>{}", "a" * 10_000]
)
def test_hostile_address_is_mailed_to_nobody(ann: User, email: str) -> None:
    assert "<script>ann" not in ask(email.format(ann.email))
    assert mails() == []


def test_limit_is_forgotten_after_its_time(ann: User) -> None:
    for _ in range(4):
        ask(ann.email)
    ResetRequest.objects.update(at=timezone.now() - WINDOW - timedelta(seconds=1))
    ask(ann.email)
    assert len(mails()) == 4
    assert ResetRequest.objects.count() == 1


def test_weak_password_is_refused(client: Client, ann: User) -> None:
    to = client.get(mailed_link(ann.email), follow=True).redirect_chain[-1][0]
    answer = client.post(to, {"new_password1": "12345678", "new_password2": "12345678"})
    assert "too common" in answer.content.decode()
