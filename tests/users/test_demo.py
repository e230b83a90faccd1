"""The demo users: created once, with passwords that work and are shown once."""

import pytest
from django.contrib.auth import authenticate
from django.test import RequestFactory

from users.demo import DemoLogin, ensure_demo_people
from users.models import RoleChange, User

pytestmark = pytest.mark.django_db

PEOPLE = [
    ("customer@storyfeed.example", "Customer", "Cleo Customer", "customer"),
    ("technical@storyfeed.example", "Technical Worker", "Toni Technical", "technical_worker"),
    ("management@storyfeed.example", "Senior Management", "Maren Management", "senior_management"),
    ("admin@storyfeed.example", "admin", "Adi Admin", "technical_worker, staff, superuser"),
]


def shown(logins: list[DemoLogin]) -> list[tuple[str, str]]:
    return [(login.email, login.role) for login in logins]


def test_each_demo_user_can_log_in_with_the_password_shown() -> None:
    logins = ensure_demo_people()

    assert shown(logins) == [(email, role) for email, role, _, _ in PEOPLE]
    assert len({login.password for login in logins}) == len(PEOPLE)
    for login, (email, _, name, role) in zip(logins, PEOPLE, strict=True):
        assert len(login.password or "") == 12, "short enough to type"
        user = authenticate(RequestFactory().post("/"), username=email, password=login.password)
        assert isinstance(user, User)
        assert (user.name, user.role, user.is_active) == (name, role, True)


def test_an_existing_demo_user_keeps_its_password() -> None:
    kept = User.objects.create_user(PEOPLE[1][0], "my-own-password-7", name="Mine")

    logins = ensure_demo_people()

    assert shown(logins) == [(email, role) for email, role, _, _ in PEOPLE]
    assert [login.password is None for login in logins] == [False, True, False, False]
    kept.refresh_from_db()
    assert (kept.name, kept.check_password("my-own-password-7")) == ("Mine", True)
    assert all(login.password is None for login in ensure_demo_people())
    assert User.objects.count() == len(PEOPLE)


def test_all_demo_users_are_created_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RoleChange, "record", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        ensure_demo_people()

    assert not User.objects.exists()
