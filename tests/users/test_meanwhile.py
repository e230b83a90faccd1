"""An account that others change while a request is in progress."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.db import connections, transaction
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from cdc.errors import Refused
from tests.users.conftest import PASSWORD, logged_in
from users.forms import ErrorsAtPassword
from users.mail import mail_thread
from users.models import RoleChange, User, UserType

pytestmark = pytest.mark.django_db(transaction=True)
NEW, OTHER = "another-long-42", "third-long-43"
REFUSED = r"Nothing was changed. This account (?:is|was) [^<]*"


@pytest.fixture
def eve(db: None) -> User:
    return User.objects.create_user(
        "eve@people.example",
        PASSWORD,
        name="Eve",
        user_type=UserType.TECHNICAL_WORKER,
        is_staff=True,
    )


def stored(eve: User) -> User:
    return User.objects.get(pk=eve.pk)


def disable(eve: User) -> None:
    User.objects.filter(pk=eve.pk).update(is_active=False)


def demote(eve: User) -> None:
    row = stored(eve)
    row.is_staff, row.user_type = False, UserType.CUSTOMER
    row.save()


def delete(eve: User) -> None:
    stored(eve).delete()


def set_other_password(eve: User) -> None:
    User.objects.filter(pk=eve.pk).update(password=make_password(OTHER))


CHANGES: dict[Callable[[User], None], str] = {
    disable: "is disabled. Ask an admin to enable it.",
    demote: "was changed in the meantime.",
    delete: "was deleted.",
    set_other_password: "was changed in the meantime.",
}


@pytest.fixture
def in_progress(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return a function that lets others change an account while a new password is validated."""

    def prepare(change: Callable[[], object]) -> None:
        validate, changes = ErrorsAtPassword.validate_password_for_user, [change]

        def validate_slowly(*args: Any, **options: Any) -> None:
            validate(*args, **options)
            while changes:
                changes.pop()()

        monkeypatch.setattr(ErrorsAtPassword, "validate_password_for_user", validate_slowly)

    return prepare


def change_own(client: Client, _: User) -> Any:
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    return client.post("/password/", data)


def reset(client: Client, eve: User) -> Any:
    key = urlsafe_base64_encode(force_bytes(eve.pk))
    page = client.get(f"/password/reset/{key}/{default_token_generator.make_token(stored(eve))}/")
    return client.post(page.headers["Location"], {"new_password1": NEW, "new_password2": NEW})


def state(eve: User) -> tuple[list[Any], int]:
    """Return the row of the account, if any, and how many changes of roles are recorded."""
    return list(User.objects.filter(pk=eve.pk).values()), RoleChange.objects.count()


def change_and_note(change: Callable[[User], None], eve: User, states: list[Any]) -> None:
    change(eve)
    states.append(state(eve))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("send", [change_own, reset])
def test_a_password_in_progress_does_not_undo_what_others_changed(
    eve: User, in_progress: Any, change: Callable[[User], None], send: Any
) -> None:
    client = logged_in(eve)
    after: list[Any] = []
    in_progress(partial(change_and_note, change, eve, after))

    page = send(client, eve)

    assert page.status_code == 200
    (sentence,) = re.findall(REFUSED, page.content.decode())
    assert CHANGES[change] in sentence
    assert state(eve) == after[0]
    assert client.get("/technical_worker/").status_code == 302


@pytest.mark.database
def test_a_password_waits_for_a_change_that_is_not_committed(
    eve: User, in_progress: Callable[[Callable[[], object]], None]
) -> None:
    validated, written = Event(), Event()
    client = logged_in(eve)

    def wait() -> None:
        validated.set()
        assert written.wait(120)

    def send() -> str:
        try:
            return str(change_own(client, eve).content.decode())
        finally:
            connections.close_all()

    in_progress(wait)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        assert validated.wait(120)
        with transaction.atomic():
            disable(eve)
            written.set()
            with suppress(TimeoutError):
                sent.result(1)
        page = sent.result(120)

    assert "This account is disabled" in page
    assert stored(eve).check_password(PASSWORD)


def test_a_reset_link_does_not_work_for_a_disabled_account(eve: User) -> None:
    disable(eve)
    page = reset(Client(), eve).content.decode()
    assert "This account is disabled. Ask an admin to enable it." in page
    assert stored(eve).check_password(PASSWORD)


@pytest.mark.parametrize("change", [disable, demote])
def test_a_password_set_by_an_admin_does_not_undo_what_others_changed(
    eve: User, as_boss: Client, in_progress: Any, change: Callable[[User], None]
) -> None:
    after: list[Any] = []
    in_progress(partial(change_and_note, change, eve, after))
    data = {"password1": NEW, "password2": NEW, "usable_password": "true"}

    assert as_boss.post(f"/admin/users/user/{eve.pk}/password/", data).status_code == 302

    (row,), changes = state(eve)
    (before,), recorded = after[0]
    assert row.pop("password") != before.pop("password")
    assert (row, changes) == (before, recorded)


def test_a_clerk_cannot_change_an_account_that_has_just_been_promoted(
    client: Client, clerk: User, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_object = UserAdmin.get_object

    def get_and_promote(*args: Any) -> Any:
        found = get_object(*args)
        row = stored(ann)
        row.is_staff = True
        row.save()
        return found

    monkeypatch.setattr(UserAdmin, "get_object", get_and_promote)
    client.force_login(clerk)
    data = {"email": "clerk2@people.example", "name": "A", "user_type": "customer"}
    assert client.post(f"/admin/users/user/{ann.pk}/change/", data).status_code == 403
    assert stored(ann).email == ann.email


@pytest.mark.parametrize(("field", "value"), [("name", "Eva"), ("email", "eva@people.example")])
def test_a_save_writes_only_what_was_edited(eve: User, field: str, value: str) -> None:
    copy = stored(eve)
    set_other_password(eve)
    demote(eve)
    recorded = RoleChange.objects.count()

    setattr(copy, field, value)
    copy.save()

    now = stored(eve)
    assert (getattr(now, field), now.role, now.check_password(OTHER)) == (value, "customer", True)
    assert RoleChange.objects.count() == recorded


def test_a_save_of_some_fields_records_only_their_changes(eve: User) -> None:
    copy = stored(eve)
    demote(eve)
    disable(eve)
    recorded = RoleChange.objects.count()

    copy.email = "eva@people.example"
    copy.save(update_fields=["email"])

    assert RoleChange.objects.count() == recorded
    assert (stored(eve).role, stored(eve).is_active) == ("customer", False)
    assert copy.session_version == stored(eve).session_version


def test_a_late_password_is_announced_and_a_name_is_not(eve: User) -> None:
    copy, other = stored(eve), stored(eve)
    set_other_password(eve)
    other.name = "Eva"
    other.save()
    copy.set_password(NEW)
    copy.save()
    mail_thread.submit(int).result(60)
    assert [sent.subject for sent in mail.outbox] == ["Your password was changed"]


@pytest.mark.parametrize("fields", [None, ["is_active"]])
def test_a_save_does_not_create_a_deleted_account_again(
    eve: User, fields: list[str] | None
) -> None:
    copy = stored(eve)
    delete(eve)
    with pytest.raises(Refused, match="This account was deleted"):
        copy.save(update_fields=fields)
    assert not User.objects.filter(pk=eve.pk).exists()


def test_a_field_that_is_read_again_is_not_edited(eve: User) -> None:
    copy = User.objects.defer("name").get(pk=eve.pk)
    assert copy.edited_fields("default") == set()
    copy.email, copy.is_staff = "eva@people.example", False
    assert copy.edited_fields("default") == {"email", "is_staff"}
    copy.refresh_from_db(fields=["email"])
    assert copy.name == "Eve"
    assert copy.edited_fields("default") == {"is_staff"}
    assert copy.edited_fields("other") >= {"email", "name", "password"}
    copy.refresh_from_db()
    assert copy.edited_fields("default") == set()


def test_a_save_that_was_rolled_back_is_repeated(eve: User) -> None:
    copy = stored(eve)
    copy.name = "Eva"
    copy.save()
    User.objects.filter(pk=eve.pk).update(name="Eve")  # as after a rollback
    copy.save()
    assert stored(eve).name == "Eva"


def test_a_renewed_hash_does_not_replace_a_password_that_was_changed(
    eve: User, settings: Any
) -> None:
    settings.PASSWORD_HASHERS = [
        *settings.PASSWORD_HASHERS,
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    User.objects.filter(pk=eve.pk).update(password=make_password(PASSWORD, hasher="md5"))
    slow, quick = stored(eve), stored(eve)
    assert quick.check_password(PASSWORD)
    assert quick.password == stored(eve).password != slow.password
    set_other_password(eve)
    assert slow.check_password(PASSWORD)
    assert stored(eve).check_password(OTHER)
