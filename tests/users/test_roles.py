"""Roles: every change is recorded for good and ends the person's sessions."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from cdc.context import acting_as
from cdc.errors import Refused
from users.models import RoleChange, User, UserType

pytestmark = pytest.mark.django_db


def changes() -> list[tuple[str, str, str, str]]:
    fields = ("who", "whom", "from_role", "to_role")
    return list(RoleChange.objects.order_by("id").values_list(*fields))


def change_form(user: User, **given: str) -> dict[str, str]:
    plain = {"email": user.email, "name": user.name, "user_type": user.user_type}
    return {**plain, "is_active": "on", **given}


def test_change_in_the_admin_is_recorded(as_boss: Client, ann: User) -> None:
    RoleChange.objects.all()._raw_delete("default")
    data = change_form(ann, user_type="technical_worker", is_staff="on")
    assert as_boss.post(f"/admin/users/user/{ann.pk}/change/", data).status_code == 302
    expected = ("boss@people.example", ann.email, "customer", "technical_worker, staff")
    assert changes() == [expected]
    page = as_boss.get("/admin/users/rolechange/").content.decode()
    assert "technical_worker, staff" in page


def test_other_changes_are_not(ann: User) -> None:
    ann.name = "Anna"
    ann.save()
    ann.save(update_fields=["name"])
    assert changes() == []


def test_command_is_named(ann: User) -> None:
    ann.user_type = UserType.SENIOR_MANAGEMENT
    with acting_as("some_command"):
        ann.save(update_fields=["user_type"])
    assert changes() == [("some_command", ann.email, "customer", "senior_management")]


def test_new_account_with_powers_is_recorded() -> None:
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
    with pytest.raises(Refused, match="save each one"):
        User.objects.filter(pk=ann.pk).update(**{field: True})
    with pytest.raises(Refused, match="save each one"), transaction.atomic():
        User.objects.bulk_update([ann], [field])
    assert User.objects.filter(pk=ann.pk).update(name="Fine") == 1


def test_accounts_made_in_bulk_are_recorded() -> None:
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
def test_accounts_are_not_made_over_others(ann: User, over: str) -> None:
    options: dict[str, Any] = {over: True}
    with pytest.raises(Refused, match="save each one"):
        User.objects.bulk_create([User(email=ann.email, name="A", is_staff=True)], **options)


def test_record_is_append_only(boss: User, as_boss: Client) -> None:
    row = RoleChange.objects.get()
    for attempt in (row.save, row.delete, RoleChange.objects.all().delete):
        with pytest.raises(Refused, match="never changed"):
            attempt()
    with pytest.raises(Refused, match="never changed"):
        RoleChange.objects.update(who="nobody")
    for page in ("add/", f"{row.pk}/delete/"):
        assert as_boss.get(f"/admin/users/rolechange/{page}").status_code == 403
    as_boss.post(f"/admin/users/rolechange/{row.pk}/change/", {"who": "nobody"})
    row.refresh_from_db()
    assert row.who != "nobody"


@pytest.mark.parametrize(
    ("field", "value"),
    [("user_type", "technical_worker"), ("is_staff", True), ("is_superuser", True)],
)
def test_change_ends_the_persons_sessions(ann: User, field: str, value: object) -> None:
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(ann)
        assert client.get("/stories/").status_code == 200
    setattr(ann, field, value)
    ann.save()
    assert [client.get("/stories/").status_code for client in clients] == [302, 302]


def test_another_change_does_not(client: Client, ann: User) -> None:
    client.force_login(ann)
    ann.name = "Anna"
    ann.save()
    assert client.get("/stories/").status_code == 200


def test_clerk_without_the_permission_gives_no_type(client: Client, clerk: User, ann: User) -> None:
    clerk.user_permissions.remove(clerk.user_permissions.get(codename="assign_role"))
    client.force_login(clerk)
    page = f"/admin/users/user/{ann.pk}/change/"
    client.post(page, change_form(ann, name="Ann", user_type="senior_management"))
    ann.refresh_from_db()
    assert (ann.name, ann.user_type) == ("Ann", UserType.CUSTOMER)


@pytest.mark.parametrize("power", ["is_staff", "is_superuser"])
@pytest.mark.parametrize("page", ["password", "change"])
def test_clerk_cannot_become_somebody_with_powers(
    client: Client, clerk: User, power: str, page: str
) -> None:
    other = User.objects.create_user("other@people.example", name="O")
    setattr(other, power, True)
    other.save()
    client.force_login(clerk)
    data = {"password1": "another-long-42", "password2": "another-long-42", "email": "c@x.org"}
    answer = client.post(f"/admin/users/user/{other.pk}/{page}/", {**data, "usable_password": "1"})
    assert answer.status_code == 403
    assert not User.objects.get(pk=other.pk).has_usable_password()
    assert User.objects.filter(email="other@people.example").exists()
