"""Accounts, and the record of the changes of their roles."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from cdc.context import acting_as
from cdc.errors import Refused
from users.models import RoleChange, User, UserType

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


def test_addresses_differ_by_accent(ann: User) -> None:
    assert User.objects.create_user("änn@people.example", name="Änn").pk != ann.pk


def test_new_account_is_a_customer_without_privileges(ann: User) -> None:
    assert (ann.user_type, ann.is_staff, ann.is_superuser) == (UserType.CUSTOMER, False, False)


def test_account_without_password_cannot_log_in() -> None:
    assert not User.objects.create_user("c@people.example", name="C").has_usable_password()


def changes() -> list[tuple[str, str, str, str]]:
    fields = ("who", "whom", "from_role", "to_role")
    return list(RoleChange.objects.order_by("id").values_list(*fields))


def test_other_changes_are_not_recorded(ann: User) -> None:
    ann.name = "Anna"
    ann.save()
    ann.save(update_fields=["name"])
    assert changes() == []


def test_command_is_recorded_as_actor(ann: User) -> None:
    ann.user_type = UserType.SENIOR_MANAGEMENT
    with acting_as("some_command"):
        ann.save(update_fields=["user_type"])
    assert changes() == [("some_command", ann.email, "customer", "senior_management")]


def test_new_account_with_privileges_is_recorded() -> None:
    with acting_as("createsuperuser"):
        User.objects.create_superuser("boss@people.example", name="Boss")
    (change,) = changes()
    assert change == ("createsuperuser", "boss@people.example", "customer", change[3])
    assert change[3] == "customer, staff, superuser"


def test_record_outlives_the_account(boss: User) -> None:
    boss.delete()
    assert RoleChange.objects.count() == 1


@pytest.mark.parametrize("field", ["user_type", "is_staff", "is_superuser"])
def test_roles_are_not_changed_in_bulk(ann: User, field: str) -> None:
    with pytest.raises(Refused, match="save each account"):
        User.objects.filter(pk=ann.pk).update(**{field: True})
    with pytest.raises(Refused, match="save each account"), transaction.atomic():
        User.objects.bulk_update([ann], [field])
    assert User.objects.filter(pk=ann.pk).update(name="Fine") == 1


def test_accounts_created_in_bulk_are_recorded() -> None:
    people = [
        User(email=" Chief@people.example", name="C", user_type=UserType.SENIOR_MANAGEMENT),
        User(email="plain@people.example", name="P"),
        User(email="boss@people.example", name="B", is_staff=True, is_superuser=True),
    ]
    with acting_as("some_command"):
        made = User.objects.bulk_create(people)
    assert [(whom, to) for _, whom, _, to in changes()] == [
        ("chief@people.example", "senior_management"),
        ("boss@people.example", "customer, staff, superuser"),
    ]
    fields = ("whom_id",)
    named = [row[0] for row in RoleChange.objects.order_by("id").values_list(*fields)]
    assert named == [User.objects.get(email=made[n].email).pk for n in (0, 2)]


@pytest.mark.parametrize("over", ["ignore_conflicts", "update_conflicts"])
def test_bulk_create_does_not_overwrite_accounts(ann: User, over: str) -> None:
    options: dict[str, Any] = {over: True}
    with pytest.raises(Refused, match="save each account"):
        User.objects.bulk_create([User(email=ann.email, name="A", is_staff=True)], **options)


def test_record_is_append_only(boss: User, as_boss: Client) -> None:
    row = RoleChange.objects.get()
    for attempt in (row.save, row.delete, RoleChange.objects.all().delete):
        with pytest.raises(Refused, match="cannot be changed or deleted"):
            attempt()
    with pytest.raises(Refused, match="cannot be changed or deleted"):
        RoleChange.objects.update(who="nobody")
    row.who = "nobody"
    overwrite: dict[str, Any] = {"update_conflicts": True, "update_fields": ["who"]}
    for options in (overwrite, {"ignore_conflicts": True}):
        with pytest.raises(Refused, match="cannot be changed or deleted"):
            RoleChange.objects.bulk_create([row], **options)
    with pytest.raises(Refused, match="cannot be changed or deleted"):
        RoleChange.objects.bulk_update([row], ["who"])
    for page in ("add/", f"{row.pk}/delete/"):
        assert as_boss.get(f"/admin/users/rolechange/{page}").status_code == 403
    as_boss.post(f"/admin/users/rolechange/{row.pk}/change/", {"who": "nobody"})
    row.refresh_from_db()
    assert row.who != "nobody"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_type", "technical_worker"),
        ("is_staff", True),
        ("is_superuser", True),
        ("email", "new@people.example"),
    ],
)
def test_change_ends_the_users_sessions(ann: User, field: str, value: object) -> None:
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(ann)
        assert client.get("/stories/").status_code == 200
    setattr(ann, field, value)
    ann.save()
    assert [client.get("/stories/").status_code for client in clients] == [302, 302]


def test_other_change_keeps_the_session(client: Client, ann: User) -> None:
    client.force_login(ann)
    ann.name, ann.email = "Anna", ann.email.upper()
    ann.save()
    assert client.get("/stories/").status_code == 200


def save_all(ann: User, *, active: bool) -> None:
    ann.is_active = active
    ann.save()


def save_the_field(ann: User, *, active: bool) -> None:
    ann.is_active = active
    ann.save(update_fields=["is_active"])


def update_in_bulk(ann: User, *, active: bool) -> None:
    User.objects.filter(pk=ann.pk).update(is_active=active)


def save_a_copy(ann: User, *, active: bool) -> None:
    """Save an instance that was read before the account was disabled."""
    User.objects.filter(pk=ann.pk).update(is_active=False)
    save_all(ann, active=active)


@pytest.mark.parametrize("change", [save_all, save_the_field, update_in_bulk, save_a_copy])
def test_an_account_that_is_activated_again_has_no_old_sessions(
    client: Client, ann: User, change: Callable[..., None]
) -> None:
    client.force_login(ann)
    change(ann, active=False)
    change(ann, active=True)
    assert client.get("/stories/").status_code == 302
    client.force_login(User.objects.get(pk=ann.pk))
    assert client.get("/stories/").status_code == 200
