"""The owner of an account gets an e-mail when the password or the address changes."""

import threading

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client

from tests.users.conftest import PASSWORD, logged_in
from users.mail import mail_thread, send_queued
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "another-long-42"


def mails() -> list[tuple[str, list[str]]]:
    """Wait until all queued mails are sent, and return their subjects and recipients."""
    mail_thread.submit(int).result(60)
    return [(str(sent.subject), sent.to) for sent in mail.outbox]


def test_a_changed_password_is_announced(ann: User) -> None:
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    logged_in(ann).post("/password/", data)
    assert mails() == [("Your password was changed", [ann.email])]


def test_changes_by_an_admin_are_announced(as_boss: Client, ann: User) -> None:
    page = f"/admin/users/user/{ann.pk}/"
    as_boss.post(
        f"{page}password/", {"password1": NEW, "password2": NEW, "usable_password": "true"}
    )
    changed = {"email": "new@people.example", "name": "A", "user_type": "customer"}
    as_boss.post(f"{page}change/", {**changed, "is_active": "on"})
    assert mails() == [
        ("Your password was changed", ["ann@people.example"]),
        ("Your e-mail address was changed", ["ann@people.example"]),
    ]


def test_other_changes_are_not_announced(ann: User) -> None:
    logged_in(ann)
    ann.name, ann.email = "Ann", " ANN@people.example"
    ann.save()
    assert mails() == []


@pytest.mark.parametrize("domain", ["\u00e4" * 64, "a\u05d0", "\ufffc"])
def test_a_mail_that_cannot_be_written_is_logged(
    ann: User, domain: str, caplog: pytest.LogCaptureFixture
) -> None:
    email = f"a@{domain}.example"
    User.objects.filter(pk=ann.pk).update(email=email)
    ann.refresh_from_db()
    ann.set_password(NEW)
    ann.save()
    assert mails() == []
    assert "was not sent: " in caplog.text


def test_a_mail_that_cannot_be_sent_is_logged_without_the_address(
    ann: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: EmailMultiAlternatives) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMultiAlternatives, "send", refuse)
    ann.set_password(NEW)
    ann.save()
    assert mails() == []
    assert "was not sent: ConnectionRefusedError" in caplog.text
    assert ann.email not in caplog.text


def test_a_mail_that_a_stop_does_not_wait_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    mail_thread.submit(release.wait, 60)
    send_queued(0.01)
    release.set()
    assert "The process ended before the mail server had accepted all e-mails" in caplog.text
