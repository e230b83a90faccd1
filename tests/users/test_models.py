"""Accounts: one address, one account."""

import pytest
from django.db import IntegrityError

from users.models import User, UserType

pytestmark = pytest.mark.django_db


def test_address_is_stored_in_one_form(ann: User) -> None:
    made = User.objects.create_user("  Bo@People.EXAMPLE ", name="Bo")
    made.refresh_from_db()
    assert made.email == "bo@people.example"
    assert User.objects.get_by_natural_key("BO@people.example") == made


@pytest.mark.parametrize("email", ["ann@people.example", " ANN@PEOPLE.EXAMPLE"])
def test_address_has_one_account(ann: User, email: str) -> None:
    with pytest.raises(IntegrityError):
        User.objects.create_user(email, name="Other")


def test_accent_makes_another_address(ann: User) -> None:
    assert User.objects.create_user("änn@people.example", name="Änn").pk != ann.pk


def test_new_account_is_a_customer_without_powers(ann: User) -> None:
    assert (ann.user_type, ann.is_staff, ann.is_superuser) == (UserType.CUSTOMER, False, False)


def test_account_without_password_lets_nobody_in() -> None:
    assert not User.objects.create_user("c@people.example", name="C").has_usable_password()
