"""Resetting a password by e-mail, and the limits on requests."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client, RequestFactory
from django.utils import timezone

from tests.users.conftest import PASSWORD, logged_in, sentences
from users.forms import ResetForm
from users.limits import RESET, WINDOW
from users.mail import mail_thread
from users.models import ResetRequest, User

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
NEW = "another-long-42"


def ask(email: str, address: str = "198.51.100.7") -> str:
    client = Client()
    answer = client.post("/password/reset/", {"email": email}, REMOTE_ADDR=address, follow=True)
    return re.sub(r'value="[^"]{40,}"', "", answer.content.decode())


def mails() -> list[str]:
    """Wait until all queued mails are sent, and return their recipients."""
    mail_thread.submit(int).result(60)
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
    parts = [part.get_payload(decode=True) for part in mail.outbox[0].message().walk()]
    assert any(parts)
    assert not any(PASSWORD.encode() in part for part in parts if isinstance(part, bytes))
    form = client.get(link, follow=True)
    assert (form.context["title"], form.context["lead"]) == ("Choose a new password", "")
    to = form.redirect_chain[-1][0]
    answer = client.post(to, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert sentences(answer) == ["Your password was reset. You can now log in."]
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert there.get("/customer/").status_code == 302
    used = Client().get(link, follow=True)
    assert used.context["lead"] == ("This link was already used or has expired. Request a new one.")
    assert "<h1>Choose a new password</h1>" in used.content.decode()


def test_reset_answers_the_same_for_an_unknown_address(ann: User) -> None:
    assert ask(ann.email) == ask("nobody@people.example")
    assert mails() == [ann.email]


def test_answer_does_not_wait_for_the_mail_server(
    ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    sent_after_the_answer: list[bool] = []

    def send(_: EmailMessage) -> None:
        sent_after_the_answer.append(answered.wait(120))

    monkeypatch.setattr(EmailMessage, "send", send)
    ask(ann.email)
    answered.set()
    assert mails() == []
    assert sent_after_the_answer == [True]


def test_mail_that_cannot_be_sent_is_logged(
    ann: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: EmailMessage) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMessage, "send", refuse)
    assert "we send a link to the address" in ask(ann.email)
    assert mails() == []
    assert "Failed to send password reset email" in caplog.text
    assert ann.email not in caplog.text


def test_mails_to_an_account_are_limited_and_the_answer_is_the_same(ann: User) -> None:
    answers = {
        ask(email, f"198.51.100.{n}") for n in range(3) for email in (ann.email, " ANN@x.org")
    }
    answers |= {ask("ANN@people.example", f"203.0.113.{n}") for n in range(3)}
    assert len(answers) == 1
    assert mails() == [ann.email] * 3


def test_requests_from_an_address_are_limited(ann: User, boss: User) -> None:
    for number in range(RESET.per_network or 0):
        ask(f"{number}@people.example")
    ask(ann.email)
    ask(boss.email, "203.0.113.9")
    assert mails() == [boss.email]


def test_forged_header_does_not_evade_the_limit(ann: User) -> None:
    for number in range(RESET.per_network or 0):
        RESET.admit(f"{number}@people.example", "127.0.0.1")
    Client().post("/password/reset/", {"email": ann.email}, headers={"X-Forwarded-For": "1.2.3.4"})
    assert mails() == []


@pytest.mark.parametrize(
    "email", ["{}\nBcc: spy@x.org", "{}, spy@x.org", "{}\0", "<script>{}", "a" * 10_000]
)
def test_hostile_address_gets_no_mail(ann: User, email: str) -> None:
    assert "<script>ann" not in ask(email.format(ann.email))
    assert mails() == []


def test_limit_ends_after_its_window(ann: User) -> None:
    for _ in range(4):
        ask(ann.email)
    ResetRequest.objects.update(at=timezone.now() - WINDOW - timedelta(seconds=1))
    ask(ann.email)
    assert len(mails()) == 4
    assert ResetRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("host", "secure", "expected"),
    [
        ("testserver", False, "http://testserver/"),
        ("testserver:8000", False, "http://testserver:8000/"),
        ("TestServer:6666", False, "http://testserver:8000/"),
        ("[::1]:6666", False, "http://[::1]:8000/"),
        ("testserver", True, "https://testserver/"),
        ("testserver:6666", True, "https://testserver/"),
        ("testserver:8000", True, "https://testserver/"),
        ("testserver:8443", True, "https://testserver:8443/"),
    ],
)
def test_a_mail_links_to_a_port_of_this_site_only(
    ann: User, settings: Any, host: str, secure: bool, expected: str
) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "[::1]"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://testserver:8443"]
    request: dict[str, Any] = {"secure": secure, "headers": {"Host": host}, "SERVER_PORT": "8000"}
    Client().post("/password/reset/", {"email": ann.email}, **request)
    assert mails() == [ann.email]
    links = re.findall(r"https?://[^/]+/", str(mail.outbox[0].body))
    assert links == [expected] * 2


def test_weak_password_is_refused(client: Client, ann: User) -> None:
    to = client.get(mailed_link(ann.email), follow=True).redirect_chain[-1][0]
    answer = client.post(to, {"new_password1": "12345678", "new_password2": "12345678"})
    assert "too common" in answer.content.decode()


def test_requests_of_any_account_are_forgotten_after_the_window() -> None:
    """Requests contain e-mail and client addresses, so they are deleted."""
    old = timezone.now() - WINDOW - timedelta(seconds=1)
    ResetRequest.objects.create(email="old@a.example", address="192.0.2.1", at=old)
    young = ResetRequest.objects.create(email="young@a.example", address="192.0.2.1")

    assert RESET.admit("new@a.example", "192.0.2.2")

    emails = ResetRequest.objects.order_by("id").values_list("email", flat=True)
    assert list(emails) == [young.email, "new@a.example"]


def test_the_answer_to_a_request_says_what_happens(client: Client) -> None:
    answer = client.post("/password/reset/", {"email": "nobody@people.example"}, follow=True)
    assert sentences(answer) == [
        (
            "If an account with this e-mail address exists, we send a link to the address. The "
            "link works once and expires after three days. We send at most 3 links per hour."
        )
    ]


def test_the_mail_has_the_parts_that_were_asked_for(ann: User) -> None:
    form = ResetForm({"email": f" {ann.email.upper()}"})
    assert form.is_valid()
    template = "users/password_reset_email.txt"
    form.save(
        request=RequestFactory().get("/"),
        subject_template_name="users/password_reset_subject.txt",
        email_template_name=template,
        html_email_template_name=template,
    )

    assert mails() == [ann.email]
    sent: Any = mail.outbox[0]
    assert [kind for _, kind in sent.alternatives] == ["text/html"]
