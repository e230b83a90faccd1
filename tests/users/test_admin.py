"""Accounts in the admin."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.test import Client

from cdc.models import OutboxRecord
from stories.models import Story
from tests.support.fuzzing import Fields
from users.models import RoleChange, User, UserType
from users.templatetags.users import breakable

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NEW = {
    "email": " New@People.example",
    "name": "New",
    "user_type": "senior_management",
    "password1": "long-enough-42",
    "password2": "long-enough-42",
}


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


def test_account_is_added_with_its_type_and_password(as_boss: Client) -> None:
    assert as_boss.post("/admin/users/user/add/", {**NEW, "is_staff": "on"}).status_code == 302
    made = User.objects.get(email="new@people.example")
    assert made.user_type == UserType.SENIOR_MANAGEMENT
    assert (made.is_staff, made.is_superuser) == (True, False)
    assert made.check_password("long-enough-42")


def test_the_permissions_of_a_superuser_are_not_listed(as_boss: Client, ann: User) -> None:
    url = f"/admin/users/user/{ann.pk}/change/"
    assert 'name="user_permissions"' in as_boss.get(url).content.decode()
    ann.is_superuser = True
    ann.save()
    page = as_boss.get(url).content.decode()
    assert 'name="user_permissions"' not in page
    assert 'name="is_superuser"' in page


def test_the_parameters_of_a_password_hash_are_not_shown(as_boss: Client, ann: User) -> None:
    url = f"/admin/users/user/{ann.pk}/change/"
    page = as_boss.get(url).content.decode()
    assert "<strong>Password is set.</strong>" in page
    assert "salt" not in page
    assert '<a class="button" href="../password/">Reset password</a>' in page
    ann.set_unusable_password()
    ann.save()
    page = as_boss.get(url).content.decode()
    assert "Password is set." not in page
    assert "No password set." in page


def test_help_texts_are_in_plain_words(as_boss: Client, ann: User, clerk: User) -> None:
    Group.objects.create(name="Editors")
    own = "The account has these permissions in addition to those of its groups."
    for path, texts in (
        ("add/", ("May do everything.",)),
        (f"{ann.pk}/change/", ("May do everything.", "permissions of its groups", own)),
        (f"{ann.pk}/password/", ("If you choose Disabled, the password is lost. No one can then",)),
    ):
        page = as_boss.get(f"/admin/users/user/{path}").content.decode()
        assert [text for text in texts if text not in page] == []
        assert "Designates" not in page
        assert "Superuser status" not in page
        assert "Single Sign-On" not in page
    as_clerk = Client()
    as_clerk.force_login(clerk)
    page = as_clerk.get(f"/admin/users/user/{ann.pk}/change/").content.decode()
    assert "May do everything." in page
    assert "Designates" not in page


def test_passwords_can_be_shown(as_boss: Client, ann: User) -> None:
    for path, offered in (("add/", 1), (f"{ann.pk}/password/", 1), (f"{ann.pk}/change/", 0)):
        page = as_boss.get(f"/admin/users/user/{path}").content.decode()
        assert page.count('<template id="reveal">') == offered
        assert "Password:</label>" not in page


def test_a_missing_privilege_is_a_dash_in_the_list(as_boss: Client, ann: User) -> None:
    page = as_boss.get("/admin/users/user/").content.decode()
    cells = re.findall(r'<td class="field-(active|staff)">(.*?)</td>', page, re.DOTALL)
    words = [
        (name, re.sub(r"<svg.*?</svg>|<[^>]+>|\u2013", "", html, flags=re.DOTALL).strip())
        for name, html in cells
    ]
    assert words == [
        *(("active", "Yes"), ("staff", "No")),
        *(("active", "Yes"), ("staff", "Yes")),
    ]
    assert "icon-no" not in page


def test_groups_are_a_field_only_if_there_are_any(as_boss: Client, ann: User) -> None:
    url = f"/admin/users/user/{ann.pk}/change/"
    assert 'id="id_groups"' not in as_boss.get(url).content.decode()
    assert as_boss.post(url, Fields(as_boss.get(url).content.decode()).values).status_code == 302
    Group.objects.create(name="Editors")
    page = as_boss.get(url).content.decode()
    assert 'id="id_groups"' in page
    assert "Editors" in page


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"email": "BOSS@people.example"}, "email", "already exists"),
        ({"email": "no address"}, "email", "valid email"),
        ({"password2": "other-enough-42"}, "password2", "match"),
        ({"password1": "12345678", "password2": "12345678"}, "password1", "too common"),
        ({"user_type": "king"}, "user_type", "valid choice"),
        ({"name": ""}, "name", "required"),
    ],
)
def test_invalid_account_is_refused(
    as_boss: Client, changes: dict[str, str], field: str, sentence: str
) -> None:
    found = errors(as_boss.post("/admin/users/user/add/", {**NEW, **changes}))
    assert sentence in " ".join(found[field])


def test_list_is_searched_and_filtered(as_boss: Client, ann: User) -> None:
    page = as_boss.get("/admin/users/user/?q=ann&user_type__exact=customer").content.decode()
    assert "ann@<wbr>people.example</a>" in page
    assert "boss@<wbr>people.example</a>" not in page
    assert "<summary>Superuser</summary>" in page


def test_markup_in_an_address_is_escaped() -> None:
    assert breakable("<b>&a@b@c") == "&lt;b&gt;&amp;a@<wbr>b@<wbr>c"


def test_admin_sets_a_type(as_boss: Client, ann: User) -> None:
    data = {"email": ann.email, "name": "Ann", "user_type": "technical_worker", "is_active": "on"}
    as_boss.post(f"/admin/users/user/{ann.pk}/change/", data)
    ann.refresh_from_db()
    assert ann.user_type == UserType.TECHNICAL_WORKER


def test_password_is_changed_on_its_own_page(as_boss: Client, ann: User) -> None:
    data = {"password1": "another-long-42", "password2": "another-long-42"}
    data["usable_password"] = "true"
    assert as_boss.post(f"/admin/users/user/{ann.pk}/password/", data).status_code == 302
    ann.refresh_from_db()
    assert ann.check_password("another-long-42")


def test_clerk_cannot_grant_privileges(client: Client, clerk: User) -> None:
    client.force_login(clerk)
    data = {"email": clerk.email, "name": "C", "user_type": "technical_worker", "is_active": "on"}
    client.post(f"/admin/users/user/{clerk.pk}/change/", {**data, "is_superuser": "on"})
    clerk.refresh_from_db()
    assert (clerk.name, clerk.is_superuser, clerk.is_staff) == ("C", False, True)
    client.post("/admin/users/user/add/", {**NEW, "is_superuser": "on", "is_staff": "on"})
    assert not User.objects.get(email="new@people.example").is_staff


@pytest.mark.parametrize("page", ["password", "delete"])
def test_clerk_cannot_touch_a_superuser(client: Client, clerk: User, boss: User, page: str) -> None:
    client.force_login(clerk)
    assert client.get(f"/admin/users/user/{boss.pk}/{page}/").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_deleting_a_user_keeps_their_stories(as_boss: Client, ann: User) -> None:
    address = "http://a.example/"
    story = Story.objects.create(title="Kept", href=address, link=address, submitted_by=ann)
    OutboxRecord.objects.all().delete()
    as_boss.post(f"/admin/users/user/{ann.pk}/delete/", {"post": "yes"})
    story.refresh_from_db()
    assert story.submitted_by is None
    assert [record.op for record in OutboxRecord.objects.all()] == ["u"]


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "\u202eevil\u200f", "🐘", "javascript:alert(1)", "A" * 150],
)
def test_hostile_name_is_escaped(as_boss: Client, ann: User, name: str) -> None:
    User.objects.filter(pk=ann.pk).update(name=name)
    for page in ("", f"{ann.pk}/change/", f"{ann.pk}/delete/", f"{ann.pk}/password/"):
        shown = as_boss.get(f"/admin/users/user/{page}").content.decode()
        assert "<script>alert" not in shown
        assert 'href="javascript:' not in shown


@pytest.mark.parametrize("model", ["users/user", "stories/story", "users/rolechange"])
@pytest.mark.parametrize(
    "words", ["a\0b", "\u202e🐘", "<script>alert(1)</script>", "x" * 7_000, "%'\\"]
)
def test_hostile_search_finds_nothing(as_boss: Client, model: str, words: str) -> None:
    answer = as_boss.get(f"/admin/{model}/", {"q": words}, follow=True)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def change_form(user: User, **given: str) -> dict[str, str]:
    plain = {"email": user.email, "name": user.name, "user_type": user.user_type}
    return {**plain, "is_active": "on", **given}


def test_change_in_the_admin_is_recorded(as_boss: Client, ann: User) -> None:
    RoleChange.objects.all()._raw_delete("default")
    data = change_form(ann, user_type="technical_worker", is_staff="on")
    assert as_boss.post(f"/admin/users/user/{ann.pk}/change/", data).status_code == 302
    expected = ("boss@people.example", ann.email, "customer", "technical_worker, staff")
    fields = ("who", "whom", "from_role", "to_role")
    assert list(RoleChange.objects.values_list(*fields)) == [expected]
    page = as_boss.get("/admin/users/rolechange/").content.decode()
    assert "technical_worker, staff" in page


def test_an_old_form_does_not_undo_what_others_changed(as_boss: Client, ann: User) -> None:
    ann.user_type = UserType.TECHNICAL_WORKER
    ann.is_staff = True
    ann.save()
    url = f"/admin/users/user/{ann.pk}/change/"
    old = {**Fields(as_boss.get(url).content.decode()).values, "is_active": "on", "is_staff": "on"}

    ann.user_type = UserType.CUSTOMER
    ann.is_active = ann.is_staff = False
    ann.save()
    assert as_boss.post(url, {**old, "name": "Corrected"}).status_code == 302

    ann.refresh_from_db()
    assert (ann.name, ann.role, ann.is_active) == ("Corrected", "customer", False)
    assert as_boss.post(url, {**old, "user_type": "senior_management"}).status_code == 302
    ann.refresh_from_db()
    assert (ann.name, ann.role, ann.is_active) == ("Corrected", "senior_management", False)


def test_a_form_without_the_old_values_changes_all(as_boss: Client, ann: User) -> None:
    data = {"email": "new@people.example", "name": "New", "user_type": "customer"}
    assert as_boss.post(f"/admin/users/user/{ann.pk}/change/", data).status_code == 302
    ann.refresh_from_db()
    assert (ann.email, ann.name, ann.is_active) == ("new@people.example", "New", False)


def test_clerk_without_permission_cannot_set_a_type(client: Client, clerk: User, ann: User) -> None:
    clerk.user_permissions.remove(clerk.user_permissions.get(codename="assign_role"))
    client.force_login(clerk)
    page = f"/admin/users/user/{ann.pk}/change/"
    client.post(page, change_form(ann, name="Ann", user_type="senior_management"))
    ann.refresh_from_db()
    assert (ann.name, ann.user_type) == ("Ann", UserType.CUSTOMER)


@pytest.mark.parametrize("privilege", ["is_staff", "is_superuser"])
@pytest.mark.parametrize("page", ["password", "change"])
def test_clerk_cannot_take_over_a_privileged_account(
    client: Client, clerk: User, privilege: str, page: str
) -> None:
    other = User.objects.create_user("other@people.example", name="O")
    setattr(other, privilege, True)
    other.save()
    client.force_login(clerk)
    data = {"password1": "another-long-42", "password2": "another-long-42", "email": "c@x.org"}
    answer = client.post(f"/admin/users/user/{other.pk}/{page}/", {**data, "usable_password": "1"})
    assert answer.status_code == 403
    assert not User.objects.get(pk=other.pk).has_usable_password()
    assert User.objects.filter(email="other@people.example").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("one", [True, False], ids=["its page", "the list's action"])
def test_a_delete_that_would_change_an_unpublishable_story_is_a_message(
    as_boss: Client, ann: User, one: bool
) -> None:
    story = Story.objects.create(title="Odd key", href="http://a.example/", submitted_by=ann)
    # Django's own queryset writes no event. MongoDB rejects the NUL in the key.
    QuerySet(Story).filter(pk=story.pk).update(user={"a\0b": 1})
    url, data = f"/admin/users/user/{ann.pk}/delete/", {"post": "yes"}
    if not one:
        url = "/admin/users/user/"
        data = {"action": "delete_selected", "_selected_action": str(ann.pk), "post": "yes"}

    answer = as_boss.post(url, data, follow=True)

    assert answer.status_code == 200
    assert f"Nothing was changed. stories_story {story.pk}: Column user" in answer.content.decode()
    assert User.objects.filter(pk=ann.pk).exists()
    assert Story.objects.get(pk=story.pk).submitted_by_id == ann.pk


def test_clerk_with_the_permission_sets_a_type(client: Client, clerk: User, ann: User) -> None:
    client.force_login(clerk)
    page = f"/admin/users/user/{ann.pk}/change/"
    client.post(page, change_form(ann, user_type="senior_management", is_staff="on"))
    ann.refresh_from_db()
    assert ann.role == "senior_management"


def test_only_a_superuser_deletes_several_accounts_at_once(
    client: Client, clerk: User, as_boss: Client, ann: User
) -> None:
    data = {"action": "delete_selected", "_selected_action": str(ann.pk), "post": "yes"}
    clerks = Client()
    clerks.force_login(clerk)
    assert "delete_selected" not in clerks.get("/admin/users/user/").content.decode()
    clerks.post("/admin/users/user/", data)
    assert User.objects.filter(pk=ann.pk).exists()

    assert "delete_selected" in as_boss.get("/admin/users/user/").content.decode()
    as_boss.post("/admin/users/user/", data)
    assert not User.objects.filter(pk=ann.pk).exists()


def test_clerk_who_may_not_delete_sees_the_list(client: Client, clerk: User, ann: User) -> None:
    clerk.user_permissions.remove(clerk.user_permissions.get(codename="delete_user"))
    client.force_login(clerk)
    assert breakable(ann.email) in client.get("/admin/users/user/").content.decode()
