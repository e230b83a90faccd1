"""Registration creates only Customers, and at most one for each e-mail address."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib.auth.password_validation import (
    MinimumLengthValidator,
    get_default_password_validators,
)
from django.db import connections
from django.test import Client

from users.forms import RULES, TAKEN, RegistrationForm
from users.models import User, UserType

GIVEN = {
    "email": " New@People.example ",
    "name": "New",
    "password1": "long-enough-42",
    "password2": "long-enough-42",
}


def register(client: Client, **changes: Any) -> Any:
    return client.post("/register/", {**GIVEN, **changes}, follow=True)


@pytest.mark.django_db
def test_registration_creates_a_customer_and_logs_in(client: Client) -> None:
    answer = register(client)
    assert answer.redirect_chain == [("/customer/", 302)]
    assert "Welcome, New." in answer.content.decode()
    made = User.objects.get()
    assert (made.email, made.user_type) == ("new@people.example", UserType.CUSTOMER)
    assert made.password.startswith("argon2")
    assert client.get("/register/").headers["Location"] == "/customer/"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/stories/?q=a&topic=b", "/stories/?q=a&topic=b"),
        ("", "/customer/"),
        ("/feed/", "/customer/"),
        ("/admin/", "/customer/"),
        ("https://evil.example/", "/customer/"),
        ("//evil.example", "/customer/"),
        ("/\\evil.example", "/customer/"),
        ("javascript:alert(1)", "/customer/"),
    ],
)
def test_a_new_user_gets_to_the_page_that_needed_a_login(
    client: Client, wanted: str, goes: str
) -> None:
    path = "/register/?" + urlencode({"next": wanted})
    page = client.get(path).content.decode()
    is_ours = wanted.startswith(("/stories/", "/feed/", "/admin/"))
    login = f"/login/?next={quote(wanted, safe='')}" if is_ours else "/login/"
    assert f'href="{login}"' in page
    assert "evil" not in page
    assert client.post(path, GIVEN).headers["Location"] == goes
    assert client.get(path).headers["Location"] == goes


@pytest.mark.django_db
def test_privileges_cannot_be_posted(client: Client) -> None:
    privileges = {"user_type": "senior_management", "is_staff": "on", "is_superuser": "on"}
    register(client, **privileges, groups="1", user_permissions="1", id="7", is_active="")
    made = User.objects.get()
    assert (made.user_type, made.is_staff, made.is_superuser) == (UserType.CUSTOMER, False, False)
    assert (made.groups.count(), made.user_permissions.count(), made.is_active) == (0, 0, True)


@pytest.mark.django_db
def test_password_rules_are_shown(client: Client) -> None:
    page = client.get("/register/").content.decode()
    assert RULES in page
    lengths = [
        each.min_length
        for each in get_default_password_validators()
        if isinstance(each, MinimumLengthValidator)
    ]
    assert [f"At least {length} characters" in RULES for length in lengths] == [True]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"email": "ANN@people.example"}, "email", "Log in, or reset your password"),
        ({"email": "no address"}, "email", "valid email"),
        ({"email": f"{'a' * 10_000}@x.org"}, "email", "at most 254 characters"),
        ({"email": "a\0@x.org"}, "email", "valid email|Null characters"),
        ({"name": ""}, "name", "required"),
        ({"name": "A\nB"}, "name", "one line"),
        ({"name": "A\0B"}, "name", "Null characters"),
        ({"name": "\u200f\u202e"}, "name", "visible characters"),
        ({"name": "x" * 10_000}, "name", "at most 150 characters"),
        ({"password2": "other-enough-42"}, "password2", "match"),
        ({"password1": "12345678", "password2": "12345678"}, "password1", "too common"),
        ({"password1": "short", "password2": "short"}, "password1", "too short"),
    ],
)
def test_invalid_value_is_an_error_of_its_field(
    client: Client, ann: User, changes: dict[str, str], field: str, sentence: str
) -> None:
    answer = register(client, **changes)
    errors = " ".join(answer.context["form"].errors[field])
    assert any(part in errors for part in sentence.split("|")), errors
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_form_keeps_its_values(client: Client, ann: User) -> None:
    page = register(client, email="ann@people.example", name="Typed").content.decode()
    assert 'value="ann@people.example"' in page
    assert 'value="Typed"' in page


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "\u202eevil", "🐘", "A" * 150])
def test_hostile_name_is_escaped(client: Client, name: str) -> None:
    page = register(client, name=name).content.decode()
    assert User.objects.get().name == name
    assert "<script>alert" not in page
    assert (
        f"<bdi>{name}</bdi>".replace("<script>", "&lt;script&gt;").replace(
            "</script>", "&lt;/script&gt;"
        )
        in page
    )


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_concurrent_forms_of_an_address_create_one_account() -> None:
    start = Barrier(2)

    def run(email: str) -> int:
        try:
            start.wait(60)
            return int(register(Client(), email=email).redirect_chain != [])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(run, ["A@x.org", "a@x.org"]))
    assert sorted(made) == [0, 1]
    assert [user.email for user in User.objects.all()] == ["a@x.org"]


@pytest.mark.django_db
def test_an_account_created_since_the_check_of_the_form_is_the_usual_error(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = RegistrationForm.save

    def save_second(form: RegistrationForm, commit: bool = True) -> User:
        User.objects.create_user(GIVEN["email"], name="First")
        return save(form, commit)

    monkeypatch.setattr(RegistrationForm, "save", save_second)
    answer = register(client)

    assert answer.status_code == 200
    assert answer.context["form"].errors == {"email": [TAKEN]}
    assert 'value="New"' in answer.content.decode()
    assert client.get("/").status_code == 200
    assert not User.objects.exists()
