"""No permission lets members of staff gain powers that they were not given."""

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models import Model
from django.test import Client, RequestFactory

from tests.users.conftest import PASSWORD, logged_in
from users.models import RoleChange, User, UserType
from users.roles import may_manage

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NEW_PASSWORD = "another-long-42"
OTHERS = ("technical_worker", "senior_management", "staff", "superuser")
PAGES = ("change", "password", "delete")
POSTED = {
    "email": "mine@people.example",
    "name": "Mine",
    "user_type": "technical_worker",
    "is_active": "on",
    "is_staff": "on",
    "is_superuser": "on",
    "password1": NEW_PASSWORD,
    "password2": NEW_PASSWORD,
    "usable_password": "true",
    "post": "yes",
}


def staff(name: str, *, without: str = "") -> User:
    """Return a member of staff who has every permission except `without`."""
    user = User.objects.create_user(f"{name}@people.example", PASSWORD, name=name, is_staff=True)
    user.user_permissions.set(Permission.objects.exclude(codename=without))
    return user


@pytest.fixture
def editor(db: None) -> User:
    return staff("editor", without="assign_role")


@pytest.fixture
def assigner(db: None) -> User:
    return staff("assigner")


def account(kind: str, **fields: Any) -> User:
    values = {"user_type": kind} if kind in UserType.values else {f"is_{kind}": True}
    return User.objects.create_user(
        f"{kind}@people.example", PASSWORD, name=kind, **values, **fields
    )


def state(user: User) -> Any:
    fields = ("email", "name", "password", "user_type", "is_active", "is_staff", "is_superuser")
    return User.objects.filter(pk=user.pk).values(*fields).first()


@pytest.mark.parametrize("active", [True, False], ids=["active", "disabled"])
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("page", PAGES)
def test_without_assign_role_staff_touch_only_customers(
    editor: User, kind: str, page: str, active: bool
) -> None:
    other = account(kind, is_active=active)
    before, client = state(other), logged_in(editor)

    for suffix in ("", "?_popup=1", "?_to_field=id"):
        answer = client.post(f"/admin/users/user/{other.pk}/{page}/{suffix}", POSTED)
        assert answer.status_code == 403

    assert state(other) == before


@pytest.mark.parametrize("kind", ["staff", "superuser"])
@pytest.mark.parametrize("page", PAGES)
def test_with_assign_role_staff_do_not_touch_other_staff(
    assigner: User, kind: str, page: str
) -> None:
    other = account(kind)
    before = state(other)

    answer = logged_in(assigner).post(f"/admin/users/user/{other.pk}/{page}/", POSTED)

    assert answer.status_code == 403
    assert state(other) == before


@pytest.mark.parametrize("kind", ["technical_worker", "senior_management", "customer"])
def test_with_assign_role_staff_manage_every_type(assigner: User, kind: str) -> None:
    other, client = account(kind), logged_in(assigner)

    assert client.post(f"/admin/users/user/{other.pk}/change/", POSTED).status_code == 302
    assert client.post(f"/admin/users/user/{other.pk}/password/", POSTED).status_code == 302

    other.refresh_from_db()
    assert (other.email, other.role) == ("mine@people.example", "technical_worker")
    assert other.check_password(NEW_PASSWORD)
    assert client.post(f"/admin/users/user/{other.pk}/delete/", POSTED).status_code == 302
    assert not User.objects.filter(pk=other.pk).exists()


def test_the_password_of_a_technical_worker_does_not_lead_to_a_pause(editor: User) -> None:
    worker = account("technical_worker")
    logged_in(editor).post(f"/admin/users/user/{worker.pk}/password/", POSTED)

    login = Client().post("/login/", {"username": worker.email, "password": NEW_PASSWORD})

    assert login.status_code == 200, "the login is refused"


def test_a_customer_is_managed_but_gets_no_role(editor: User, ann: User) -> None:
    client = logged_in(editor)

    assert client.post(f"/admin/users/user/{ann.pk}/change/", POSTED).status_code == 302
    ann.refresh_from_db()

    assert (ann.email, ann.role) == ("mine@people.example", "customer")
    client.post("/admin/users/user/add/?_popup=1", {**POSTED, "email": "b@c.example"})
    assert User.objects.get(email="b@c.example").role == "customer"
    assert not RoleChange.objects.filter(whom__in=["b@c.example", ann.email]).exists()


def test_staff_change_only_the_name_of_their_own_account(assigner: User) -> None:
    client = logged_in(assigner)
    page = f"/admin/users/user/{assigner.pk}/"
    before = state(assigner)

    assert client.post(f"{page}change/", {"name": "New", **POSTED}).status_code == 302
    assert state(assigner) == {**before, "name": "Mine"}
    answer = client.post(f"{page}password/", POSTED)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/password/")
    assert client.post(f"{page}delete/", POSTED).status_code == 403
    assert state(assigner) == {**before, "name": "Mine"}


def test_even_a_superuser_needs_the_old_password_for_a_new_one(as_boss: Client, boss: User) -> None:
    for key in (str(boss.pk), f"0{boss.pk}", f"+{boss.pk}"):
        answer = as_boss.post(f"/admin/users/user/{key}/password/", POSTED)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/password/")
    boss.refresh_from_db()
    assert boss.check_password(PASSWORD)


def test_staff_cannot_give_their_group_a_permission(editor: User) -> None:
    group = Group.objects.create(name="editors")
    editor.groups.add(group)
    client = logged_in(editor)
    everything = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    data = {"name": "editors", "permissions": everything}

    assert client.post(f"/admin/auth/group/{group.pk}/change/", data).status_code == 403
    assert client.post("/admin/auth/group/add/?_popup=1", data).status_code == 403
    delete = {"action": "delete_selected", "_selected_action": str(group.pk), "post": "yes"}
    client.post("/admin/auth/group/", delete)
    assert client.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "y"}).status_code == 403

    assert Group.objects.get().name == "editors"
    assert not group.permissions.exists()


def test_staff_do_not_end_a_lock(editor: User) -> None:
    attempt = AccessAttempt.objects.create(
        username="ann@people.example", ip_address="198.51.100.7", failures_since_start=5
    )
    client, pages = logged_in(editor), "/admin/axes/accessattempt/"
    attempt_key = str(attempt.pk)

    assert client.get(pages).status_code == 200
    for action in ("delete_selected", "cleanup_expired_attempts"):
        client.post(pages, {"action": action, "_selected_action": attempt_key, "post": "yes"})
    assert client.post(f"{pages}{attempt_key}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{pages}{attempt_key}/change/", {}).status_code == 403

    assert AccessAttempt.objects.filter(pk=attempt.pk).exists()


def writable(model: type[Model], user: User, rf: RequestFactory) -> set[str]:
    request = rf.get("/")
    request.user = user
    found = admin.site.get_model_admin(model)
    may = {
        "add": found.has_add_permission(request),
        "change": found.has_change_permission(request),
        "delete": found.has_delete_permission(request),
    }
    return {name for name, allowed in may.items() if allowed}


def test_staff_with_every_permission_write_stories_and_accounts_only(
    assigner: User, rf: RequestFactory
) -> None:
    models = {model._meta.label: model for model in admin.site._registry}

    found = {label: writable(model, assigner, rf) for label, model in models.items()}

    everything = {"add", "change", "delete"}
    assert {label: may for label, may in found.items() if may} == {
        "users.User": everything,
        "stories.Story": everything,
    }
    assert writable(Group, User(is_superuser=True, is_active=True), rf) == everything


@pytest.mark.parametrize("kind", ["customer", *OTHERS])
def test_who_manages_whom(editor: User, assigner: User, boss: User, kind: str) -> None:
    other = account(kind)
    assert not may_manage(AnonymousUser(), other)
    assert not may_manage(User(is_superuser=True, is_active=False), other)
    assert not may_manage(User(is_staff=False, is_active=True), other)
    assert may_manage(editor, other) is (kind == "customer")
    assert may_manage(assigner, other) is (kind in UserType.values)
    assert may_manage(boss, other)
