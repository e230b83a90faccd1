"""The normalized e-mail address, and what a name may contain."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client

from users.fields import LoginEmailField, LoginEmailInput, normalized
from users.models import ResetRequest, User
from users.validators import validate_address, validate_name

pytestmark = pytest.mark.django_db

FORMS = [(" Ann@People.EXAMPLE\n", "ann@people.example"), ("", ""), (None, None)]


@pytest.mark.parametrize(("value", "expected"), [*FORMS, (7, 7)])
def test_only_text_is_normalized(value: Any, expected: Any) -> None:
    assert normalized(value) == expected


@pytest.mark.parametrize(("value", "expected"), [*FORMS, (7, "7")])
def test_an_address_is_normalized_wherever_it_comes_from(value: Any, expected: Any) -> None:
    field = LoginEmailField()
    assert field.to_python(value) == expected
    assert field.get_prep_value(value) == expected


@pytest.mark.parametrize(("vendor", "collation"), [("mysql", "utf8mb4_bin"), ("sqlite", None)])
def test_mysql_compares_the_bytes_of_addresses(vendor: str, collation: str | None) -> None:
    types = {"data_types": connection.data_types, "ops": connection.ops}
    database: Any = SimpleNamespace(vendor=vendor, data_type_check_constraints={}, **types)

    parameters = LoginEmailField(max_length=254).db_parameters(database)

    assert parameters["type"] == "varchar(254)"
    assert parameters.get("collation") == collation


@pytest.mark.parametrize("name", ["Ann", "Ann B", "李", "7", "!", "€", "\u202eA", "🐘", "A\u200d"])
def test_a_visible_name_is_accepted(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize("name", ["A\nB", "A\tB", "A\x7f", "A\u2028B", "A\u2029B", "A\ud800"])
def test_a_name_is_one_line_without_control_characters(name: str) -> None:
    with pytest.raises(ValidationError, match="on one line, without control characters"):
        validate_name(name)


@pytest.mark.parametrize("name", ["", " ", "\u200f\u202e", "\u3000", "\u0301", "\u3164\u2800"])
def test_a_name_has_a_visible_character(name: str) -> None:
    with pytest.raises(ValidationError, match="visible characters"):
        validate_name(name)


GROWING = "\u0130"
"""`İ`, whose lower-case form has two characters."""
KELVIN, LONG_S, DOTLESS_I = "\u212a", "\u017f", "\u0131"
DOMAIN = "@people.example"
REFUSED = [
    GROWING * 200 + DOMAIN,
    f"ann@{GROWING * 50}.{GROWING * 50}.{GROWING * 25}.example",
    GROWING + DOMAIN,
    "a" * 250 + DOMAIN,
    "a" * 5_000 + DOMAIN,
    f"a\0nn{DOMAIN}",
    f"a nn{DOMAIN}",
    f"ann\u00a0x{DOMAIN}",
    f"ann\n{DOMAIN}",
    "ann@people.example\u200b.example",
    "ann@people\u202e.example",
    f"{'a' * 65}{DOMAIN}",
    f"{LONG_S}nn{DOMAIN}",
    f"{DOTLESS_I}nn{DOMAIN}",
    f"\uff41nn{DOMAIN}",
    f"\u0430nn{DOMAIN}",
]


@pytest.mark.parametrize("email", REFUSED)
def test_an_address_that_does_not_fit_or_misleads_is_refused(as_boss: Client, email: str) -> None:
    form = {"email": email, "name": "N", "password1": "long-enough-42"}
    form["password2"] = form["password1"]

    assert Client().post("/register/", form).status_code == 200
    added = as_boss.post("/admin/users/user/add/", {**form, "user_type": "customer"})
    assert added.status_code == 200
    assert "email" in added.context["adminform"].form.errors
    assert User.objects.count() == 1
    for path, name in (("/login/", "username"), ("/password/reset/", "email")):
        answer = Client().post(path, {name: email, "password": "wrong"})
        assert answer.status_code in {200, 302}, path
    longest = max((len(each.email) for each in ResetRequest.objects.all()), default=0)
    assert longest <= 254


@pytest.mark.parametrize(
    "typed", [" Ann@PEOPLE.example ", "\u3000ann@people.EXAMPLE\u00a0", "ANN@people.example\t"]
)
def test_one_form_of_an_address_is_used_everywhere(typed: str) -> None:
    form = {"email": typed, "name": "N", "password1": "long-enough-42"}
    form["password2"] = form["password1"]

    assert Client().post("/register/", form).status_code == 302
    assert User.objects.get().email == "ann@people.example"
    assert "already exists" in Client().post("/register/", form).content.decode()
    data = {"username": typed, "password": form["password1"]}
    assert Client().post("/login/", data).status_code == 302
    Client().post("/password/reset/", {"email": typed})
    assert ResetRequest.objects.get(purpose="reset").email == "ann@people.example"


@pytest.mark.parametrize(
    "email", [f"{'a' * 64}@people.example", "o'neil+news@people.example", "ann@b\u00fccher.example"]
)
def test_a_usual_address_is_accepted(email: str) -> None:
    validate_address(email)
    assert LoginEmailInput().clean(email) == email


@pytest.mark.parametrize("character", ["\x01", "\x0b", "\x0c", "\x1c", "\x1e", "\x1f", "\x7f"])
def test_an_address_with_a_control_character_is_refused(character: str) -> None:
    email = f'"ann{character}Bcc:eve@x.example"@people.example'
    form = {"email": email, "name": "N", "password1": "long-enough-42"}
    form["password2"] = form["password1"]
    assert "no invisible" in Client().post("/register/", form).content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("word", [KELVIN, KELVIN.lower()])
def test_the_sign_for_kelvin_is_the_letter_k(word: str) -> None:
    assert LoginEmailInput().clean(f"{word}{DOMAIN}") == f"k{DOMAIN}"
